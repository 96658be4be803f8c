// A bounded channel whose ends are on one thread, without the waiting itself: a ring, and who waits for
// room in it or for an element.
#pragma once

#include <overlap/core/operation.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <type_traits>
#include <utility>

namespace overlap::detail {

/// Passes `capacity` on, or throws std::invalid_argument when nothing could ever be in the channel.
[[nodiscard]] inline std::size_t at_least_one_element(std::size_t capacity) {
    if (capacity == 0) {
        throw std::invalid_argument("a channel holds at least 1 element, got capacity 0");
    }
    return capacity;
}

/// Thrown to those who push into a channel that is closed.
[[noreturn]] inline void throw_closed() {
    throw std::system_error(std::make_error_code(std::errc::broken_pipe),
                            "push into a closed channel");
}

/// At most `capacity` elements, in memory that is taken once. Nobody may push when it is full or pop when
/// it is empty.
template <class T>
class bounded_ring {
    static_assert(
        std::is_nothrow_move_constructible_v<T> && std::is_nothrow_destructible_v<T>,
        "elements of a channel are moved while others are told of it: that must not throw");

public:
    explicit bounded_ring(std::size_t capacity)
        : capacity_(at_least_one_element(capacity)),
          slots_(std::allocator<T>().allocate(capacity_)) {}
    bounded_ring(const bounded_ring&) = delete;
    bounded_ring& operator=(const bounded_ring&) = delete;
    ~bounded_ring() {
        while (!is_empty()) pop();
        std::allocator<T>().deallocate(slots_, capacity_);
    }

    [[nodiscard]] bool is_empty() const noexcept { return size_ == 0; }
    [[nodiscard]] bool is_full() const noexcept { return size_ == capacity_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

    void push(T&& element) noexcept {
        std::construct_at(slots_ + back_, std::move(element));
        back_ = after(back_);
        ++size_;
    }

    T pop() noexcept {
        T& slot = slots_[front_];
        T element = std::move(slot);
        std::destroy_at(&slot);
        front_ = after(front_);
        --size_;
        return element;
    }

private:
    [[nodiscard]] std::size_t after(std::size_t place) const noexcept {
        return place + 1 == capacity_ ? 0 : place + 1;
    }

    std::size_t capacity_;
    T* slots_;
    std::size_t front_ = 0;
    std::size_t back_ = 0;
    std::size_t size_ = 0;
};

template <class T>
class channel_waiters;

/// Who waits at one end, in the frame or on the stack of that task. Leaves the list when destroyed.
template <class T>
struct channel_waiter {
    channel_waiter() = default;
    explicit channel_waiter(T&& to_push) noexcept : element(std::move(to_push)) {}
    channel_waiter(const channel_waiter&) = delete;
    channel_waiter& operator=(const channel_waiter&) = delete;
    ~channel_waiter() { leave(); }

    /// Returns false if it no longer waited: whoever took it from the list has posted `resume`.
    bool leave() noexcept;

    std::optional<T> element;     ///< What is to be pushed until it is, or what was popped.
    operation* resume = nullptr;  ///< To be posted when there is no more to wait for.
    channel_waiter* next = nullptr;
    channel_waiter* previous = nullptr;
    channel_waiters<T>* list = nullptr;
};

/// In the order in which they came.
template <class T>
class channel_waiters {
public:
    [[nodiscard]] bool is_empty() const noexcept { return first_ == nullptr; }

    void add(channel_waiter<T>& waiter) noexcept {
        waiter.list = this;
        waiter.next = nullptr;
        waiter.previous = last_;
        (last_ == nullptr ? first_ : last_->next) = &waiter;
        last_ = &waiter;
    }

    void remove(channel_waiter<T>& waiter) noexcept {
        waiter.list = nullptr;
        (waiter.previous == nullptr ? first_ : waiter.previous->next) = waiter.next;
        (waiter.next == nullptr ? last_ : waiter.next->previous) = waiter.previous;
    }

    channel_waiter<T>& take() noexcept {
        channel_waiter<T>& oldest = *first_;
        remove(oldest);
        return oldest;
    }

private:
    channel_waiter<T>* first_ = nullptr;
    channel_waiter<T>* last_ = nullptr;
};

template <class T>
bool channel_waiter<T>::leave() noexcept {
    if (list == nullptr) return false;
    list->remove(*this);
    return true;
}

/// `Post` is called with the operation of whoever needs to wait no longer. An element is handed to the one
/// who waits for it, so that nobody who comes later is served before.
template <class T, class Post>
class channel_state {
public:
    using value_type = T;

    channel_state(std::size_t capacity, Post post) : ring_(capacity), post_(post) {}
    channel_state(const channel_state&) = delete;
    channel_state& operator=(const channel_state&) = delete;
    /// Those who wait are told that it is closed.
    ~channel_state() { close(); }

    /// Moves the element in, if there is room or somebody waits for it. Throws when closed.
    bool try_push(T& element) {
        if (is_closed_) [[unlikely]]
            throw_closed();
        if (!poppers_.is_empty()) {
            hand_over(element);
            return true;
        }
        if (ring_.is_full()) return false;
        ring_.push(std::move(element));
        return true;
    }

    /// Nothing when there is no element, whether closed or not.
    std::optional<T> try_pop() noexcept {
        if (ring_.is_empty()) return std::nullopt;
        std::optional<T> element(ring_.pop());
        if (!pushers_.is_empty()) let_one_in();
        return element;
    }

    /// After try_push() or try_pop() that could do nothing. Returns whether it waits: always, since on one
    /// thread nothing has changed in between.
    bool wait_for_room(channel_waiter<T>& waiter) noexcept {
        pushers_.add(waiter);
        return true;
    }
    bool wait_for_element(channel_waiter<T>& waiter) noexcept {
        poppers_.add(waiter);
        return true;
    }
    /// The channel may be gone. Returns false if it no longer waited.
    static bool leave(channel_waiter<T>& waiter) noexcept { return waiter.leave(); }

    void close() noexcept {
        is_closed_ = true;
        while (!pushers_.is_empty()) post_(pushers_.take().resume);  // With their elements.
        while (!poppers_.is_empty()) post_(poppers_.take().resume);  // With none.
    }

    [[nodiscard]] bool is_closed() const noexcept { return is_closed_; }
    [[nodiscard]] std::size_t size() const noexcept { return ring_.size(); }
    [[nodiscard]] std::size_t capacity() const noexcept { return ring_.capacity(); }

private:
    void hand_over(T& element) noexcept {
        channel_waiter<T>& popper = poppers_.take();
        popper.element.emplace(std::move(element));
        post_(popper.resume);
    }

    void let_one_in() noexcept {
        channel_waiter<T>& pusher = pushers_.take();
        ring_.push(*std::move(pusher.element));
        pusher.element.reset();
        post_(pusher.resume);
    }

    bounded_ring<T> ring_;
    channel_waiters<T> pushers_;  // Only while the ring is full.
    channel_waiters<T> poppers_;  // Only while it is empty.
    bool is_closed_ = false;
    Post post_;
};

/// What a channel can do without waiting, whoever waits in it and how.
template <class State>
class channel_ends {
    using T = typename State::value_type;

public:
    /// Moves from `element` and returns true if there is room now. Throws as push does.
    bool try_push(T& element) { return state_.try_push(element); }
    bool try_push(T&& element) { return state_.try_push(element); }
    /// The next element if there is one now.
    std::optional<T> try_pop() noexcept { return state_.try_pop(); }

    /// Nothing more goes in; what is in can be popped. Closing again changes nothing.
    void close() noexcept { state_.close(); }
    [[nodiscard]] bool is_closed() const noexcept { return state_.is_closed(); }

    [[nodiscard]] std::size_t size() const noexcept { return state_.size(); }
    [[nodiscard]] std::size_t capacity() const noexcept { return state_.capacity(); }

protected:
    template <class Post>
    channel_ends(std::size_t capacity, Post post) : state_(capacity, post) {}
    ~channel_ends() = default;

    State state_;
};

}  // namespace overlap::detail
