// What the built-in loops share: the queues of operations, timers, remote posts and run().
// A loop adds how it waits for I/O.
#pragma once

#include <overlap/core/event_loop.hpp>
#include <overlap/core/operation_queue.hpp>
#include <overlap/core/timer_wheel.hpp>
#include <overlap/loops/remote_queue.hpp>
#include <overlap/loops/run_some.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <time.h>
#include <utility>

namespace overlap {

/// `Loop` derives from loop_base<Loop> and defines
///   void wait(std::optional<nanoseconds> timeout)  moves completed I/O to due_; sleeps until
///       there is some, the remote queue's wake descriptor is readable, or the time is over
///       (0: does not sleep; nothing: for as long as it takes). Throws std::system_error for
///       errors of the kernel that it does not expect;
///   bool io_pending()  whether any I/O is submitted to it;
///   void cancel_io(io_operation*)  completes it with -ECANCELED unless it has completed already.
template <class Loop>
class loop_base {
public:
    loop_base() = default;
    loop_base(const loop_base&) = delete;
    loop_base& operator=(const loop_base&) = delete;

    [[nodiscard]] time_point now() const noexcept { return std::chrono::steady_clock::now(); }

    void post(operation* op) noexcept { posted_.push(op); }

    void post_remote(operation* op) noexcept { remote_.push(op); }

    void call_at(timer_operation* op, time_point deadline) noexcept { timers_.arm(op, deadline); }

    void cancel(operation* op) {
        if (op->kind == operation_kind::timer) {
            auto* timer = static_cast<timer_operation*>(op);
            if (timers_.cancel(timer)) complete(timer, -ECANCELED);
        } else if (op->kind != operation_kind::post) {
            self().cancel_io(static_cast<io_operation*>(op));
        }
    }

    void run() {
        while (!std::exchange(stopping_, false)) {
            // What is due goes before what was only posted; each has its own share of an iteration,
            // so that neither keeps the other from running.
            run_some(due_, stopping_);
            run_some(posted_, stopping_);
            if (stopping_) continue;
            remote_.take(posted_);
            if (due_.empty() && posted_.empty()) {
                sleep();
            } else if (self().io_pending()) {
                self().wait(nanoseconds(0));
            }
            if (!timers_.empty()) timers_.expire(self().now(), due_);
        }
    }

    void stop() noexcept { stopping_ = true; }

protected:
    ~loop_base() = default;

    static timespec to_timespec(nanoseconds duration) noexcept {
        const auto seconds = std::chrono::floor<std::chrono::seconds>(duration);
        return {.tv_sec = seconds.count(), .tv_nsec = (duration - seconds).count()};
    }

    void complete(operation* op, int result) noexcept {
        op->result = result;
        due_.push(op);
    }

    operation_queue due_;  // Timers and I/O that have completed, in that order.
    operation_queue posted_;
    timer_wheel timers_;
    remote_queue remote_;

private:
    Loop& self() noexcept { return static_cast<Loop&>(*this); }

    void sleep() {
        std::optional<nanoseconds> timeout;
        if (const auto next = timers_.next()) {
            timeout = std::max(*next - self().now(), nanoseconds(0));
        }
        if (!remote_.fall_asleep()) return;
        try {
            self().wait(timeout);
        } catch (...) {
            remote_.wake_up();
            throw;
        }
        remote_.wake_up();
    }

    bool stopping_ = false;
};

}  // namespace overlap
