// A bounded channel between fibers.
#pragma once

#include <overlap/core/channel_state.hpp>
#include <overlap/core/loop_reference.hpp>
#include <overlap/core/operation.hpp>
#include <overlap/fiber/cancellation.hpp>
#include <overlap/fiber/scheduler.hpp>

#include <cstddef>
#include <optional>
#include <utility>

namespace overlap::fibers {

/// A task that waits in a channel, as whoever wakes it and whoever cancels it see it.
template <class T>
struct channel_wait : operation, cancel_hook, detail::channel_waiter<T> {
    template <class... Element>
    explicit channel_wait(scheduler& its_home, Element&&... to_push)
        : operation(&go_on), cancel_hook{&give_up},
          detail::channel_waiter<T>(std::forward<Element>(to_push)...), home(its_home),
          self(its_home.current()) {
        this->resume = this;
    }

    /// Throws fibers::unwinding when the task was cancelled first.
    void suspend() {
        self.suspend_for(*this);
        if (has_given_up) self.cancelling().check();
    }

    static void go_on(operation* op) noexcept {
        auto& wait = static_cast<channel_wait&>(*op);
        wait.home.resume(&wait.self);
    }
    static void give_up(cancel_hook& hook, const loop_reference& loop) {
        auto& wait = static_cast<channel_wait&>(hook);
        wait.leave();
        wait.has_given_up = true;
        wait.self.expect(wait);
        loop.post(&wait);
    }

    scheduler& home;
    runner& self;
    bool has_given_up = false;
};

/// How a channel goes on with one that waits in it.
template <class T>
struct channel_poster {
    const loop_reference* loop;
    void operator()(operation* resume) const noexcept {
        auto& wait = static_cast<channel_wait<T>&>(*resume);
        wait.self.expect(wait);
        loop->post(&wait);
    }
};

/// What overlap::channel is to coroutines; push and pop hold the task. It must not outlive the runtime
/// with somebody waiting in it.
template <class T>
class channel : public detail::channel_ends<detail::channel_state<T, channel_poster<T>>> {
public:
    channel(std::size_t capacity, scheduler& home, const loop_reference& loop)
        : channel::channel_ends(capacity, channel_poster<T>{&loop}), home_(home) {}

    /// Waits for room. Throws std::system_error(broken_pipe) when the channel is closed, or becomes so
    /// while it waits; the element is lost then.
    void push(T element) {
        if (this->state_.try_push(element)) return;
        channel_wait<T> wait(home_, std::move(element));
        wait.self.cancelling().check();
        this->state_.wait_for_room(wait);
        wait.suspend();  // The channel may be gone afterwards.
        if (wait.element) detail::throw_closed();
    }

    /// Waits for an element; returns std::nullopt when the channel is closed and empty. One who is
    /// cancelled has taken none.
    std::optional<T> pop() {
        if (auto element = this->state_.try_pop(); element || this->state_.is_closed())
            return element;
        channel_wait<T> wait(home_);
        wait.self.cancelling().check();
        this->state_.wait_for_element(wait);
        wait.suspend();
        return std::move(wait.element);
    }

private:
    scheduler& home_;
};

}  // namespace overlap::fibers
