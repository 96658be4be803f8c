// The part of a task on a fiber that has until some moment to end.
#pragma once

#include <overlap/core/deadline_queue.hpp>
#include <overlap/core/event_loop.hpp>
#include <overlap/core/loop_reference.hpp>
#include <overlap/fiber/scheduler.hpp>

#include <cstdint>

namespace overlap::fibers {

/// A part of a task that has a deadline, on the task's stack.
template <event_loop Loop>
class deadline_scope : deadline_entry<Loop> {
public:
    /// Throws std::bad_alloc.
    deadline_scope(runner& task, const loop_reference& loop, deadline_queue<Loop>& its_queue,
                   time_point when)
        : deadline_entry<Loop>(its_queue, when, &deadline_scope::end), task_(task), loop_(loop) {
        its_queue.add(this, when);
        task_.cancelling().enter();
        level_ = task_.cancelling().level();
    }
    ~deadline_scope() { leave(); }
    deadline_scope(const deadline_scope&) = delete;
    deadline_scope& operator=(const deadline_scope&) = delete;

    /// Returns whether the deadline has come, and nothing around it is to end.
    bool leave() noexcept {
        if (level_ == 0) return false;
        level_ = 0;
        this->queue.remove(this);
        return task_.cancelling().leave();
    }

private:
    static void end(deadline_entry<Loop>& self) {
        auto& here = static_cast<deadline_scope&>(self);
        here.task_.cancel(here.level_, here.loop_);
    }

    runner& task_;
    const loop_reference& loop_;
    std::uint16_t level_ = 0;
};

}  // namespace overlap::fibers
