// A task that has until some moment to end.
#pragma once

#include <overlap/core/deadline_queue.hpp>
#include <overlap/core/error.hpp>
#include <overlap/core/event_loop.hpp>
#include <overlap/core/loop_reference.hpp>
#include <overlap/coroutine/task.hpp>

#include <cerrno>
#include <coroutine>
#include <exception>
#include <utility>

namespace overlap {

/// The awaitable behind runtime.with_deadline(deadline, work).
template <event_loop Loop, class T>
class [[nodiscard]] deadline_awaiter {
public:
    using lies_in_frame = void;

    deadline_awaiter(deadline_queue<Loop>& queue, const loop_reference& loop, time_point deadline,
                     task<T> work)
        : entry_(queue, deadline, loop, work.release()) {
        entry_.target.is_limit = true;
    }
    deadline_awaiter(deadline_awaiter&&) = delete;  // The task knows where it is.
    ~deadline_awaiter() { entry_.queue.remove(&entry_); }

    static bool await_ready() noexcept { return false; }

    /// Throws std::bad_alloc, before the task was started.
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> waiter) {
        entry_.queue.add(&entry_, entry_.deadline);
        return entry_.target.start(waiter, &result_);
    }

    T await_resume() {
        entry_.queue.remove(&entry_);
        entry_.target.note_end();
        if (entry_.target.is_lost) throw_errno(ETIMEDOUT, "with_deadline");
        if (entry_.target.error) std::rethrow_exception(std::move(entry_.target.error));
        return detail::take_from<T>(result_);
    }

private:
    struct entry : deadline_entry<Loop> {
        entry(deadline_queue<Loop>& its_queue, time_point when, const loop_reference& its_loop,
              std::coroutine_handle<> work) noexcept
            : deadline_entry<Loop>(its_queue, when, &entry::cancel), loop(its_loop), target(work) {}

        static void cancel(deadline_entry<Loop>& self) {
            auto& here = static_cast<entry&>(self);
            detail::cancel_waits(here.target.child, here.loop);
        }

        const loop_reference& loop;
        detail::awaited_task target;
    };

    entry entry_;
    [[no_unique_address]] detail::result_slot<T> result_{};
};

}  // namespace overlap
