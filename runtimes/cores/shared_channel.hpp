// A bounded channel between tasks on any shards of a runtime.
#pragma once

#include <overlap/core/channel_state.hpp>
#include <overlap/core/event_loop.hpp>
#include <overlap/cores/shard.hpp>
#include <overlap/coroutine/channel.hpp>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <type_traits>

namespace overlap {

namespace detail {

/// Has those go on who waited, each on its own shard, whose index is its operation's tag.
template <event_loop Loop>
struct shard_poster {
    shard_group<Loop>* group;

    void operator()(operation* resume) const {
        shard<Loop>& home = *group->shards[resume->tag];
        if (&home == shard_group<Loop>::here) {
            home.loop.post(resume);
        } else {
            home.loop.post_remote(resume);
        }
    }
};

/// What a channel on one thread has, behind a lock. Who finds nothing to do looks once more before it
/// waits, since the other end may have come in between.
template <class T, event_loop Loop>
class locked_channel_state {
public:
    using value_type = T;

    locked_channel_state(std::size_t capacity, shard_poster<Loop> post) : state_(capacity, post) {}

    bool try_push(T& element) {
        const std::lock_guard lock(mutex_);
        return state_.try_push(element);
    }
    std::optional<T> try_pop() noexcept {
        const std::lock_guard lock(mutex_);
        return state_.try_pop();
    }

    bool wait_for_room(channel_waiter<T>& waiter) noexcept {
        note_home(waiter);
        const std::lock_guard lock(mutex_);
        if (state_.is_closed()) return false;  // With its element, so that it is told.
        if (!state_.try_push(*waiter.element)) return state_.wait_for_room(waiter);
        waiter.element.reset();
        return false;
    }
    bool wait_for_element(channel_waiter<T>& waiter) noexcept {
        note_home(waiter);
        const std::lock_guard lock(mutex_);
        waiter.element = state_.try_pop();
        if (waiter.element || state_.is_closed()) return false;
        return state_.wait_for_element(waiter);
    }
    bool leave(channel_waiter<T>& waiter) noexcept {
        const std::lock_guard lock(mutex_);
        return waiter.leave();
    }

    void close() noexcept {
        const std::lock_guard lock(mutex_);
        state_.close();
    }
    [[nodiscard]] bool is_closed() const noexcept {
        const std::lock_guard lock(mutex_);
        return state_.is_closed();
    }
    [[nodiscard]] std::size_t size() const noexcept {
        const std::lock_guard lock(mutex_);
        return state_.size();
    }
    [[nodiscard]] std::size_t capacity() const noexcept { return state_.capacity(); }

private:
    static void note_home(channel_waiter<T>& waiter) noexcept {
        waiter.resume->tag = static_cast<std::uint16_t>(shard_group<Loop>::here->index);
    }

    mutable std::mutex mutex_;
    channel_state<T, shard_poster<Loop>> state_;
};

}  // namespace detail

/// What overlap::channel is on one loop, for tasks on any shards of a runtime: each goes on where it waited.
/// It must outlive all who wait in it.
template <class T, event_loop Loop>
class shared_channel : public detail::coroutine_channel<detail::locked_channel_state<T, Loop>> {
public:
    shared_channel(std::size_t capacity, detail::shard_group<Loop>& group)
        : shared_channel::coroutine_channel(capacity, detail::shard_poster<Loop>{&group}) {}
};

}  // namespace overlap
