// Loops that get posts, run() or stop() wrong, each in one thing.
#pragma once

#include <overlap/conformance/testing/wrong_loop.hpp>
#include <overlap/core/socket.hpp>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <ranges>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace overlap::conformance::wrong_loops {

/// Runs the operation posted last first, as a loop with a stack for a queue would.
class runs_posts_last_in_first_out : public wrong_loop {
public:
    runs_posts_last_in_first_out() { iteration_.loop = this; }

    void post(operation* op) override {
        op->next = top_;
        top_ = op;
        if (std::exchange(iteration_.posted, true)) return;
        right_.post(&iteration_);
    }

private:
    struct iteration : operation {
        iteration() : operation(&run) {}

        static void run(operation* op) noexcept {
            auto& self = static_cast<iteration&>(*op);
            self.posted = false;
            operation* first = std::exchange(self.loop->top_, nullptr);
            while (first != nullptr) {
                operation* next = first->next;
                first->done(first);
                first = next;
            }
        }

        runs_posts_last_in_first_out* loop = nullptr;
        bool posted = false;
    };

    operation* top_ = nullptr;
    iteration iteration_;
};

/// Takes a call from outside run() for one that may run the operation at once.
class runs_posts_inside_the_call : public wrong_loop {
public:
    void post(operation* op) override {
        if (inside_) return right_.post(op);
        inside_ = true;
        op->done(op);
        inside_ = false;
    }
    void run() override {
        inside_ = true;
        right_.run();
        inside_ = false;
    }

private:
    bool inside_ = false;
};

class clears_the_result_of_posts : public wrong_loop {
public:
    void post(operation* op) override {
        take_over(op, submitted_by::post);
        right_.post(op);
    }

private:
    void completed(operation* op, submitted_by) noexcept override {
        op->result = 0;
        op->done(op);
    }
};

/// Takes the operation for submitted still, while its `done` runs, and so forgets that it is submitted again.
class loses_what_is_posted_inside_its_done : public knows_what_runs {
public:
    void post(operation* op) override {
        if (is_running(op)) return;
        take_over(op, submitted_by::post);
        right_.post(op);
    }
};

class cancels_posts : public wrong_loop {
public:
    void cancel(operation* op) override {
        if (op->kind != operation_kind::post) return right_.cancel(op);
        if (right_.posted_.remove(op)) complete_later(op, -ECANCELED);
    }
};

/// Begins each run() with no posts.
class drops_posts_that_stop_leaves : public wrong_loop {
public:
    void run() override {
        right_.run();
        operation_queue left = std::exchange(right_.posted_, operation_queue());
        while (operation* op = left.pop()) {
            if (op->kind != operation_kind::post) right_.due_.push(op);
        }
    }
};

class forgets_a_stop_before_run : public wrong_loop {
public:
    void run() override {
        running_ = true;
        right_.run();
        running_ = false;
    }
    void stop() override {
        if (running_) right_.stop();
    }

private:
    bool running_ = false;
};

/// Counts what is submitted, and ends when that is nothing.
class returns_for_want_of_work : public wrong_loop {
public:
    void post(operation* op) override {
        count(op, submitted_by::post);
        right_.post(op);
    }
    void post_remote(operation* op) override {
        count(op, submitted_by::post_remote);
        right_.post_remote(op);
    }
    void call_at(timer_operation* op, time_point deadline) override {
        count(op, submitted_by::call_at);
        right_.call_at(op, deadline);
    }
    void submit(io_operation* op) override {
        count(op, submitted_by::submit);
        right_.submit(op);
    }
    void run() override {
        if (submitted_ == 0) right_.stop();
        right_.run();
    }

private:
    void count(operation* op, submitted_by by) {
        ++submitted_;
        take_over(op, by);
    }
    void completed(operation* op, submitted_by) noexcept override {
        op->done(op);
        if (--submitted_ == 0) right_.stop();
    }

    std::atomic<int> submitted_ = 0;
};

/// Has room for so many remote posts; a derived class says what becomes of more.
class has_a_short_remote_queue : public wrong_loop {
public:
    void post_remote(operation* op) override {
        if (queued_ >= 50) return overflow(op);
        ++queued_;
        take_over(op, submitted_by::post_remote);
        right_.post_remote(op);
    }

private:
    virtual void overflow(operation* op) = 0;
    void completed(operation* op, submitted_by) noexcept override {
        --queued_;
        op->done(op);
    }

    std::atomic<int> queued_ = 0;
};

class loses_remote_posts_beyond_its_queue : public has_a_short_remote_queue {
    void overflow(operation*) override {}
};

class runs_remote_posts_beyond_its_queue_at_once : public has_a_short_remote_queue {
    void overflow(operation* op) override { op->done(op); }
};

/// Takes remote posts off a stack, and does not turn them round.
class reverses_remote_posts : public wrong_loop {
public:
    reverses_remote_posts() { iteration_.loop = this; }

    void post_remote(operation* op) override {
        const std::scoped_lock lock(mutex_);
        if (stack_.empty()) right_.post_remote(&iteration_);
        stack_.push_back(op);
    }

private:
    struct iteration : operation {
        iteration() : operation(&run) {}
        static void run(operation* op) noexcept {
            auto& loop = *static_cast<iteration*>(op)->loop;
            std::vector<operation*> all;
            {
                const std::scoped_lock lock(loop.mutex_);
                all.swap(loop.stack_);
            }
            for (operation* each : all | std::views::reverse) each->done(each);
        }
        reverses_remote_posts* loop = nullptr;
    };

    std::mutex mutex_;
    std::vector<operation*> stack_;
    iteration iteration_;
};

/// Puts in place of the descriptor that wakes it one that never becomes readable.
class is_not_woken_by_remote_posts : public wrong_loop {
public:
    is_not_woken_by_remote_posts() {
        std::array<int, 2> ends{};
        check_errno(
            ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()),
            "socketpair");
        const unique_descriptor mute(ends[0]);
        far_ = unique_descriptor(ends[1]);
        woken_by_ = unique_descriptor(::dup(right_.remote_.wake_descriptor()));
        check_errno(::dup3(mute.get(), right_.remote_.wake_descriptor(), O_CLOEXEC), "dup3");
    }
    /// The right loop waits for wake-ups that are on their way as it ends.
    ~is_not_woken_by_remote_posts() override {
        constexpr eventfd_t more_than_any = 1'000'000;
        ::eventfd_write(woken_by_.get(), more_than_any);
        ::dup3(woken_by_.get(), right_.remote_.wake_descriptor(), O_CLOEXEC);
    }

private:
    unique_descriptor far_;
    unique_descriptor woken_by_;
};

/// Wakes the loop by the number of its descriptor, which may be another's by then.
class wakes_whoever_has_its_number : public wrong_loop {
public:
    void post_remote(operation* op) override {
        const int number = right_.remote_.wake_descriptor();
        right_.post_remote(op);
        std::this_thread::sleep_for(std::chrono::microseconds(200));
        const eventfd_t one = 1;
        [[maybe_unused]] const auto written = ::write(number, &one, sizeof one);
    }
};

/// Does not look at what `Starved` has submitted while anything is posted.
template <submitted_by Starved>
class starves_beside_posts : public wrong_loop {
public:
    void post(operation* op) override {
        ++posted_;
        take_over(op, submitted_by::post);
        right_.post(op);
    }
    void post_remote(operation* op) override {
        if (Starved == submitted_by::post_remote) take_over(op, Starved);
        right_.post_remote(op);
    }
    void call_at(timer_operation* op, time_point deadline) override {
        if (Starved == submitted_by::call_at) take_over(op, Starved);
        right_.call_at(op, deadline);
    }
    void submit(io_operation* op) override {
        if (Starved == submitted_by::submit) take_over(op, Starved);
        right_.submit(op);
    }

private:
    void completed(operation* op, submitted_by by) noexcept override {
        if (by == Starved && posted_ > 0) return starved_.push_back(op);
        op->done(op);
        if (by != submitted_by::post || --posted_ > 0) return;
        for (operation* each : std::exchange(starved_, {})) each->done(each);
    }

    int posted_ = 0;
    std::vector<operation*> starved_;
};

/// Keeps the loop that was made last in a static, and arms all timers there.
class shares_timers_between_loops : public wrong_loop {
public:
    shares_timers_between_loops() { last_made_ = this; }
    ~shares_timers_between_loops() override {
        shares_timers_between_loops* self = this;
        last_made_.compare_exchange_strong(self, nullptr);
    }

    void call_at(timer_operation* op, time_point deadline) override {
        shares_timers_between_loops* where = last_made_;
        if (where == this || where == nullptr) return right_.call_at(op, deadline);
        where->right_.post_remote(new arming(where->right_, op, deadline));
    }

private:
    struct arming : operation {
        arming(right_loop& where, timer_operation* what, time_point when)
            : operation(&run), loop(where), timer(what), deadline(when) {}
        static void run(operation* op) noexcept {
            const std::unique_ptr<arming> own(static_cast<arming*>(op));
            own->loop.call_at(own->timer, own->deadline);
        }
        right_loop& loop;
        timer_operation* timer;
        time_point deadline;
    };

    static inline std::atomic<shares_timers_between_loops*> last_made_ = nullptr;
};

}  // namespace overlap::conformance::wrong_loops
