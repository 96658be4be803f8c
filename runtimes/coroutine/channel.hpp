// A bounded channel: some tasks push elements into it, others pop them.
#pragma once

#include <overlap/core/channel_state.hpp>
#include <overlap/core/loop_reference.hpp>
#include <overlap/coroutine/resume_operation.hpp>

#include <coroutine>
#include <cstddef>
#include <optional>
#include <utility>

namespace overlap {

namespace detail {

struct channel_poster {
    const loop_reference* loop;
    void operator()(operation* resume) const { loop->post(resume); }
};

/// Resumes who waited also when it was cancelled meanwhile, so that what it was handed is not lost.
struct channel_operation : operation {
    std::coroutine_handle<> waiter;

    channel_operation() noexcept : operation(&go_on<false>) {}

    template <class Promise>
    void set_waiter(std::coroutine_handle<Promise> its_waiter) noexcept {
        waiter = its_waiter;
        done = &go_on<is_cancellable<Promise>>;
    }

private:
    template <bool Cancellable>
    static void go_on(operation* self) noexcept {
        const auto waiter = static_cast<channel_operation*>(self)->waiter;
        if constexpr (Cancellable) {
            resume_or_unwind(waiter, true);
        } else {
            waiter.resume();
        }
    }
};

template <class State>
class [[nodiscard]] push_awaiter {
    using T = typename State::value_type;

public:
    using gives_up = void;

    push_awaiter(State& state, T&& element) noexcept : state_(state), waiter_(std::move(element)) {}

    bool await_ready() {
        if (!state_.try_push(*waiter_.element)) return false;
        waiter_.element.reset();
        return true;
    }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> waiter) noexcept {
        resume_.set_waiter(waiter);
        waiter_.resume = &resume_;
        return state_.wait_for_room(waiter_);
    }
    bool give_up(const loop_reference&) noexcept { return state_.leave(waiter_); }
    void await_resume() const {
        if (waiter_.element) throw_closed();
    }

private:
    State& state_;  // May be gone when the waiter goes on.
    channel_waiter<T> waiter_;
    channel_operation resume_;
};

template <class State>
class [[nodiscard]] pop_awaiter {
    using T = typename State::value_type;

public:
    using gives_up = void;

    explicit pop_awaiter(State& state) noexcept : state_(state) {}

    bool await_ready() noexcept {
        waiter_.element = state_.try_pop();
        return waiter_.element || state_.is_closed();
    }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> waiter) noexcept {
        resume_.set_waiter(waiter);
        waiter_.resume = &resume_;
        return state_.wait_for_element(waiter_);
    }
    bool give_up(const loop_reference&) noexcept { return state_.leave(waiter_); }
    std::optional<T> await_resume() noexcept { return std::move(waiter_.element); }

private:
    State& state_;  // May be gone when the waiter goes on.
    channel_waiter<T> waiter_;
    channel_operation resume_;
};

/// A channel for coroutines. `State` says on which threads its ends are.
template <class State>
class coroutine_channel : public channel_ends<State> {
    using T = typename State::value_type;

public:
    /// `co_await push(element)` waits for room. Throws std::system_error(broken_pipe) when the channel is
    /// closed, or becomes so while it waits; the element is lost then.
    auto push(T element) { return push_awaiter<State>(this->state_, std::move(element)); }
    /// `co_await pop()` waits for an element, and returns std::nullopt when the channel is closed and
    /// empty.
    auto pop() { return pop_awaiter<State>(this->state_); }

protected:
    using channel_ends<State>::channel_ends;
    ~coroutine_channel() = default;
};

}  // namespace detail

/// Holds at most `capacity` elements, in memory that is taken when it is made. Elements come out in the
/// order in which they went in, each once; those who wait are served in the order in which they came, and
/// resume through the loop, not inside the other's call. A push that finds room and a pop that finds an
/// element do not suspend. Both ends stay on the loop's thread. T moves without throwing.
///
/// A channel that is destroyed is closed: those who still wait are told so, and elements that nobody has
/// popped are destroyed.
template <class T>
class channel : public detail::coroutine_channel<detail::channel_state<T, detail::channel_poster>> {
public:
    channel(std::size_t capacity, const loop_reference& loop)
        : channel::coroutine_channel(capacity, detail::channel_poster{&loop}) {}
};

}  // namespace overlap
