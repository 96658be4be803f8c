// Loops that get timers wrong, each in one thing.
#pragma once

#include <overlap/conformance/testing/wrong_loop.hpp>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <map>
#include <set>

namespace overlap::conformance::wrong_loops {

/// Changes deadlines that are not too far from the present to be changed; a derived class says into what.
class moves_deadlines : public wrong_loop {
public:
    void call_at(timer_operation* op, time_point deadline) override {
        constexpr auto near = std::chrono::hours(2);
        const bool is_near = deadline > now() - near && deadline < now() + near;
        right_.call_at(op, is_near ? moved(deadline) : deadline);
    }

private:
    virtual time_point moved(time_point deadline) = 0;
};

/// Wakes a little too soon, as a loop that rounds its timeouts down would.
class completes_timers_early : public moves_deadlines {
    time_point moved(time_point deadline) override {
        return deadline - std::chrono::microseconds(500);
    }
};

/// Knows time in steps of two milliseconds, and no order inside a step.
class rounds_deadlines_up : public moves_deadlines {
    time_point moved(time_point deadline) override {
        using step = std::chrono::duration<std::int64_t, std::ratio<1, 500>>;
        return std::chrono::ceil<step>(deadline);
    }
};

/// Nothing is wrong with it: its waiting call has a coarse clock, so that it is as late as a loop may be.
class wakes_as_late_as_it_may : public moves_deadlines {
    time_point moved(time_point deadline) override {
        return deadline + std::chrono::milliseconds(19);
    }
};

/// Completes the one armed last first, among equal deadlines.
class reverses_equal_deadlines : public moves_deadlines {
    time_point moved(time_point deadline) override {
        return deadline + nanoseconds(900 - armed_[deadline]++);
    }
    std::map<time_point, int> armed_;
};

class loses_deadlines_long_past : public wrong_loop {
public:
    void call_at(timer_operation* op, time_point deadline) override {
        if (deadline < now() - std::chrono::minutes(1)) return;
        right_.call_at(op, deadline);
    }
};

/// Counts time in a number that is too small for a year.
class completes_far_deadlines_at_once : public wrong_loop {
public:
    void call_at(timer_operation* op, time_point deadline) override {
        const bool far = deadline > now() + std::chrono::years(1);
        right_.call_at(op, far ? now() : deadline);
    }
};

/// Sees when its timers complete.
class watches_timers : public wrong_loop {
public:
    void call_at(timer_operation* op, time_point deadline) override {
        take_over(op, submitted_by::call_at);
        right_.call_at(op, deadline);
    }
};

/// Numbers its timers with sixteen bits.
class has_room_for_65536_timers : public watches_timers {
public:
    void call_at(timer_operation* op, time_point deadline) override {
        if (armed_ == 65'536) return;
        ++armed_;
        watches_timers::call_at(op, deadline);
    }

private:
    void completed(operation* op, submitted_by) noexcept override {
        --armed_;
        op->done(op);
    }

    std::size_t armed_ = 0;
};

class loses_a_timer_armed_inside_its_done : public knows_what_runs {
public:
    void call_at(timer_operation* op, time_point deadline) override {
        if (is_running(op)) return;
        take_over(op, submitted_by::call_at);
        right_.call_at(op, deadline);
    }
};

class never_completes_cancelled_timers : public wrong_loop {
public:
    void cancel(operation* op) override {
        if (op->kind != operation_kind::timer) return right_.cancel(op);
        right_.timers_.cancel(static_cast<timer_operation*>(op));
    }
};

/// Tells apart what a cancelled timer is: waiting, about to complete, or completed.
class overdoes_cancel : public watches_timers {
public:
    void cancel(operation* op) override {
        if (op->kind != operation_kind::timer) return right_.cancel(op);
        if (!is_taken_over(op)) {
            cancel_completed(op);
        } else if (cancelled_.contains(op)) {
            cancel_cancelled(op);
        } else if (right_.timers_.cancel(static_cast<timer_operation*>(op))) {
            cancelled_.insert(op);
            complete_later(op, -ECANCELED);
        } else {
            cancel_due(op);
        }
    }

private:
    void completed(operation* op, submitted_by) noexcept override {
        cancelled_.erase(op);
        op->done(op);
    }
    virtual void cancel_cancelled(operation*) {}
    virtual void cancel_due(operation*) {}
    virtual void cancel_completed(operation*) {}

    std::set<operation*> cancelled_;
};

class completes_twice_when_cancelled_twice : public overdoes_cancel {
    void cancel_cancelled(operation* op) override { complete_again(op); }
};

class completes_twice_when_cancelled_late : public overdoes_cancel {
    void cancel_due(operation* op) override { complete_again(op); }
};

class completes_again_when_cancelled_afterwards : public overdoes_cancel {
    void cancel_completed(operation* op) override { complete_again(op); }
};

class completes_timers_inside_cancel : public wrong_loop {
public:
    void cancel(operation* op) override {
        if (op->kind != operation_kind::timer) return right_.cancel(op);
        if (!right_.timers_.cancel(static_cast<timer_operation*>(op))) return;
        op->result = -ECANCELED;
        op->done(op);
    }
};

/// Takes the timer that was armed last along when it cancels another.
class cancels_one_timer_too_many : public wrong_loop {
public:
    void call_at(timer_operation* op, time_point deadline) override {
        last_ = op;
        right_.call_at(op, deadline);
    }
    void cancel(operation* op) override {
        right_.cancel(op);
        if (op->kind == operation_kind::timer && last_ != op) right_.cancel(last_);
    }

private:
    timer_operation* last_ = nullptr;
};

using touches_timers_after_done = touches_after_done<watches_timers>;
using completes_timers_when_destroyed = completes_when_destroyed<watches_timers>;

class allocates_for_each_timer : public wrong_loop {
public:
    void call_at(timer_operation* op, time_point deadline) override {
        kept_ = std::make_unique<time_point>(deadline);
        right_.call_at(op, *kept_);
    }

private:
    std::unique_ptr<time_point> kept_;
};

}  // namespace overlap::conformance::wrong_loops
