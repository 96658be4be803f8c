// What rules submit to a loop and how they drive it: operations that record what became of them.
#pragma once

#include <overlap/conformance/violation.hpp>
#include <overlap/core/event_loop.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <source_location>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace overlap::conformance {

/// The files that the rules of loops quote.
inline constexpr std::string_view loop_contract = "overlap/core/event_loop.hpp";
inline constexpr std::string_view operation_contract = "overlap/core/operation.hpp";

/// Calls `reached` once, when arrive() was called as often as was agreed.
class countdown {
public:
    countdown(std::size_t count, std::function<void()> reached)
        : left_(count), reached_(std::move(reached)) {}

    void arrive() {
        if (left_ > 0 && --left_ == 0) reached_();
    }
    [[nodiscard]] std::size_t left() const noexcept { return left_; }

private:
    std::size_t left_;
    std::function<void()> reached_;
};

/// An operation that counts its completions and then calls `then`, if set. A violation thrown by
/// `then` would end the program, as `done` may not throw: record there, judge after run().
template <class Operation>
class probe : public Operation {
public:
    template <class... Arguments>
    explicit probe(Arguments... arguments) : Operation(arguments..., &complete) {}
    probe(const probe&) = delete;
    probe& operator=(const probe&) = delete;

    std::function<void()> then;
    int completions = 0;
    countdown* awaited_by = nullptr;  ///< Told of the next completion only.

private:
    static void complete(operation* op) noexcept {
        auto& self = static_cast<probe&>(*op);
        ++self.completions;
        countdown* awaited = std::exchange(self.awaited_by, nullptr);
        if (self.then) self.then();
        if (awaited != nullptr) awaited->arrive();
    }
};

using post_probe = probe<operation>;
using timer_probe = probe<timer_operation>;

/// An I/O operation with its arguments.
class io_probe : public probe<io_operation> {
public:
    io_probe(operation_kind what, int on, const void* bytes = nullptr, std::size_t count = 0)
        : probe(what) {
        descriptor = on;
        data = const_cast<void*>(bytes);  // What is written from is not written to.
        size = count;
    }
};

/// Wakes the loop every millisecond, for rules that are about something else than how a loop is
/// woken. Declare it before the loop.
class heartbeat {
public:
    std::function<void()> then;  ///< Called at each beat, if set.

    template <event_loop Loop>
    void start(Loop& loop) {
        // Two timers that arm each other lean less on the loop than one that arms itself.
        const auto arm_after = [this, &loop](timer_probe& one, timer_probe& other) {
            one.then = [this, &loop, &other] {
                loop.call_at(&other, loop.now() + period);
                if (then) then();
            };
        };
        arm_after(tick_, tock_);
        arm_after(tock_, tick_);
        loop.call_at(&tick_, loop.now() + period);
    }

private:
    static constexpr auto period = std::chrono::milliseconds(1);

    timer_probe tick_;
    timer_probe tock_;
};

namespace detail {
/// `for_each` calls what it is given with each probe.
template <event_loop Loop, class ForEach>
void run_until_complete(Loop& loop, ForEach for_each) {
    std::size_t missing = 0;
    for_each([&](const auto& op) { missing += op.completions == 0; });
    if (missing == 0) return;
    countdown all(missing, [&loop] { loop.stop(); });
    for_each([&](auto& op) { op.awaited_by = op.completions == 0 ? &all : nullptr; });
    loop.run();
    for_each([&](auto& op) { op.awaited_by = nullptr; });
    expect_equal(all.left(), 0U,
                 "operations still submitted to the loop when run() returned unstopped");
}
}  // namespace detail

/// Runs the loop until every probe has completed at least once.
template <event_loop Loop, class... Probes>
void run_until_complete(Loop& loop, Probes&... probes) {
    detail::run_until_complete(loop, [&](const auto& visit) { (visit(probes), ...); });
}

/// The same for a range of probes.
template <event_loop Loop, class Probes>
void run_until_all_complete(Loop& loop, Probes& probes) {
    detail::run_until_complete(loop, [&](const auto& visit) {
        for (auto& op : probes) visit(op);
    });
}

/// Lets the loop do whatever it can do at present: it runs posted operations for a millisecond,
/// and looks after timers and I/O between them. So a completion that should not come can come.
template <event_loop Loop>
void settle(Loop& loop) {
    constexpr auto long_enough = std::chrono::milliseconds(1);
    constexpr int often_enough = 16;
    const auto begin = std::chrono::steady_clock::now();
    // Two operations that post each other lean less on the loop than one that posts itself.
    post_probe left;
    post_probe right;
    const auto post_after = [&](post_probe& one, post_probe& other) {
        one.then = [&] {
            const auto elapsed = std::chrono::steady_clock::now() - begin;
            if (one.completions >= often_enough && elapsed >= long_enough) return loop.stop();
            loop.post(&other);
        };
    };
    post_after(left, right);
    post_after(right, left);
    loop.post(&left);
    loop.run();
}

/// Takes a few nanoseconds a step, without leaving the processor.
inline void pass_time(int steps) noexcept {
    for (int step = 0; step < steps; ++step) std::atomic_signal_fence(std::memory_order_seq_cst);
}

/// For a rule that tries something again and again: whether enough was tried, `rounds` times or, on
/// a machine that is busy with other things, for two seconds.
class attempts {
public:
    explicit attempts(int rounds) : rounds_(rounds) {}

    [[nodiscard]] bool were_enough(int round) const {
        const auto elapsed = std::chrono::steady_clock::now() - begin_;
        return round >= rounds_ || elapsed > std::chrono::seconds(2);
    }

private:
    int rounds_;
    std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

/// Posted operations that compute for a millisecond each, as many as take 64 of them, and how many
/// had run when `what` completed.
class slow_posts {
public:
    template <event_loop Loop>
    void post_before(Loop& loop, std::function<void()>& completion_of_what) {
        for (auto& op : ops_) {
            op.then = [this] {
                const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(1);
                while (std::chrono::steady_clock::now() < end) {}
                ++ran_;
            };
            loop.post(&op);
        }
        completion_of_what = [this] { ran_before_ = ran_; };
    }

    /// Throws a violation if more than `most` of them went before it.
    void expect_before(std::size_t most, std::string_view what,
                       std::source_location place = std::source_location::current()) const {
        expect(ran_before_ <= most,
               text(what, " completed after ", ran_before_, " of ", ops_.size(),
                    " posted operations that take 1 ms each"),
               text("after at most ", most), place);
    }

    [[nodiscard]] std::vector<post_probe>& all() noexcept { return ops_; }

private:
    std::vector<post_probe> ops_ = std::vector<post_probe>(64);
    std::size_t ran_ = 0;
    std::size_t ran_before_ = 0;
};

/// An operation's result in words: "3", or "-104 (Connection reset by peer)".
[[nodiscard]] inline std::string describe_result(int result) {
    if (result >= 0) return text(result);
    return text(result, " (", std::generic_category().message(-result), ')');
}

/// Throws a violation unless `op` completed exactly once, with `expected`.
template <class Probe>
void expect_result(const Probe& op, int expected, std::string_view what,
                   std::source_location place = std::source_location::current()) {
    expect_equal(op.completions, 1, text("completions of ", what), place);
    if (op.result != expected) {
        throw violation(text(what, " completed with ", describe_result(op.result)),
                        describe_result(expected), place);
    }
}

/// The same where the contract allows one of several results.
template <class Probe>
void expect_result_among(const Probe& op, std::initializer_list<int> allowed, std::string_view what,
                         std::source_location place = std::source_location::current()) {
    expect_equal(op.completions, 1, text("completions of ", what), place);
    std::string choices;
    for (const int result : allowed) {
        if (op.result == result) return;
        choices += (choices.empty() ? "" : " or ") + describe_result(result);
    }
    throw violation(text(what, " completed with ", describe_result(op.result)), choices, place);
}

}  // namespace overlap::conformance
