// The kit tested with deliberately wrong loops: each must break its own rules and no other.
#include <overlap/conformance/loop_rules.hpp>
#include <overlap/conformance/run_rule.hpp>
#include <overlap/loops/poll.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace overlap;
using namespace overlap::conformance;
using testing::ElementsAre;

/// Forwards to a right loop. A wrong loop derives from it and hides the one call that it gets
/// wrong.
class wrong_loop {
public:
    static constexpr std::string_view name() { return "wrong"; }
    static availability available() noexcept { return {}; }

    [[nodiscard]] time_point now() const noexcept { return right_.now(); }
    void post(operation* op) { right_.post(op); }
    void post_remote(operation* op) { right_.post_remote(op); }
    void call_at(timer_operation* op, time_point deadline) { right_.call_at(op, deadline); }
    void submit(io_operation* op) { right_.submit(op); }
    void cancel(operation* op) { right_.cancel(op); }
    void run() { right_.run(); }
    void stop() { right_.stop(); }

protected:
    poll_loop right_;
};

/// Runs the operation posted last first, as a loop with a stack for a queue would.
class lifo_post : public wrong_loop {
public:
    lifo_post() { turn_.loop = this; }

    void post(operation* op) {
        op->next = top_;
        top_ = op;
        if (std::exchange(turn_.posted, true)) return;
        right_.post(&turn_);
    }

private:
    struct turn : operation {
        turn() : operation(&run) {}

        static void run(operation* op) noexcept {
            auto& self = static_cast<turn&>(*op);
            self.posted = false;
            operation* first = std::exchange(self.loop->top_, nullptr);
            while (first != nullptr) {
                operation* next = first->next;
                first->done(first);
                first = next;
            }
        }

        lifo_post* loop = nullptr;
        bool posted = false;
    };

    operation* top_ = nullptr;
    turn turn_;
};

/// Wakes a little too soon, as a loop that rounds its timeouts down would.
class early_timer : public wrong_loop {
public:
    void call_at(timer_operation* op, time_point deadline) {
        constexpr auto too_soon = std::chrono::microseconds(500);
        const bool would_overflow = deadline < time_point::min() + too_soon;
        right_.call_at(op, would_overflow ? deadline : deadline - too_soon);
    }
};

/// Reads what is there at once and says so before submit() returns.
class completion_inside_submit : public wrong_loop {
public:
    void submit(io_operation* op) {
        if (op->kind == operation_kind::read) {
            const auto got = ::recv(op->descriptor, op->data, op->size, MSG_DONTWAIT);
            if (got >= 0) {
                op->result = static_cast<int>(got);
                return op->done(op);
            }
        }
        right_.submit(op);
    }
};

static_assert(event_loop<lifo_post> && event_loop<early_timer> &&
              event_loop<completion_inside_submit>);

/// The names of the rules that `Loop` breaks.
template <event_loop Loop>
std::vector<std::string> broken_rules() {
    constexpr std::chrono::seconds limit{5};
    std::vector<std::string> broken;
    for (const rule& each : loop_rules<Loop>()) {
        const verdict result = run_rule(each, {}, limit);
        if (result.what == outcome::broken) broken.emplace_back(each.name);
    }
    return broken;
}

TEST(wrong_loops, the_right_loop_behind_them_breaks_nothing) {
    EXPECT_THAT(broken_rules<wrong_loop>(), ElementsAre());
}

TEST(wrong_loops, posts_run_last_in_first_out) {
    EXPECT_THAT(broken_rules<lifo_post>(), ElementsAre("required_posts_run_in_order"));
}

TEST(wrong_loops, timers_complete_early) {
    EXPECT_THAT(broken_rules<early_timer>(), ElementsAre("required_timers_are_never_early"));
}

TEST(wrong_loops, reads_complete_inside_submit) {
    EXPECT_THAT(broken_rules<completion_inside_submit>(),
                ElementsAre("required_submit_never_completes_inside_the_call"));
}

}  // namespace
