// What the built-in loops share: the queue of ready operations, timers, remote posts and run().
// A loop adds how it waits for I/O.
#pragma once

#include <overlap/core/event_loop.hpp>
#include <overlap/core/operation_queue.hpp>
#include <overlap/loops/remote_queue.hpp>
#include <overlap/loops/timer_wheel.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <time.h>
#include <utility>

namespace overlap {

/// `Loop` derives from loop_base<Loop> and defines
///   void wait(std::optional<nanoseconds> timeout)  moves completed I/O to ready_; sleeps until
///       there is some, the remote queue's wake descriptor is readable, or the time is over
///       (0: does not sleep; nothing: for as long as it takes);
///   bool io_pending()  whether any I/O is lent to it;
///   void cancel_io(io_operation*)  completes it with -ECANCELED unless it has completed already.
template <class Loop>
class loop_base {
public:
    loop_base() = default;
    loop_base(const loop_base&) = delete;
    loop_base& operator=(const loop_base&) = delete;

    [[nodiscard]] time_point now() const noexcept { return std::chrono::steady_clock::now(); }

    void post(operation* op) noexcept { ready_.push(op); }

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
            run_ready();
            if (stopping_) continue;
            remote_.take(ready_);
            if (ready_.empty()) {
                sleep();
            } else if (self().io_pending()) {
                self().wait(nanoseconds(0));
            }
            if (!timers_.empty()) timers_.expire(self().now(), ready_);
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
        ready_.push(op);
    }

    operation_queue ready_;
    timer_wheel timers_;
    remote_queue remote_;

private:
    /// How many operations run before timers and I/O are looked at again: rare enough to cost
    /// nothing beside them, often enough that a task which keeps yielding delays I/O by some tens
    /// of microseconds at most.
    static constexpr int turn_length = 1024;
    /// Operations that compute are slower than that, so a turn also ends when it has taken this
    /// long. That is looked at after 4, 8, 16 ... operations, since reading a clock takes as long
    /// as several of them.
    static constexpr std::chrono::microseconds turn_duration{100};
    static constexpr int first_look = 4;

    Loop& self() noexcept { return static_cast<Loop&>(*this); }

    void run_ready() noexcept {
        int next_look = first_look;
        std::chrono::steady_clock::time_point begin;
        for (int i = 1; i <= turn_length && !stopping_; ++i) {
            operation* op = ready_.pop();
            if (op == nullptr) return;
            __builtin_prefetch(ready_.front());  // Of many that waited, the next one is cold.
            op->done(op);
            if (i != next_look) continue;
            const auto now = std::chrono::steady_clock::now();
            if (i == first_look) begin = now;
            if (now - begin > turn_duration) return;
            next_look *= 2;
        }
    }

    void sleep() {
        std::optional<nanoseconds> timeout;
        if (const auto next = timers_.next()) {
            timeout = std::max(*next - self().now(), nanoseconds(0));
        }
        if (!remote_.fall_asleep()) return;
        self().wait(timeout);
        remote_.wake_up();
    }

    bool stopping_ = false;
};

}  // namespace overlap
