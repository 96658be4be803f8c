// Rules of every loop: timers. All times are the loop's own, so a clock that jumps is judged alike.
#pragma once

#include <overlap/conformance/probes.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>
#include <vector>

namespace overlap::conformance {

/// Numbers from a fixed seed, so that a failure comes again.
[[nodiscard]] inline std::mt19937 repeatable_random() { return std::mt19937(20'230'517); }

/// Delays that differ from each other, in no order, all between zero and `longest`.
[[nodiscard]] inline std::vector<nanoseconds> shuffled_delays(std::size_t count,
                                                              nanoseconds longest) {
    std::vector<nanoseconds> delays(count);
    for (std::size_t i = 0; i < count; ++i) {
        delays[i] = longest * static_cast<std::int64_t>(i + 1) / static_cast<std::int64_t>(count);
    }
    std::ranges::shuffle(delays, repeatable_random());
    return delays;
}

template <event_loop Loop>
void required_timers_are_never_early() {
    std::vector<timer_probe> timers(200);
    nanoseconds earliest{0};
    Loop loop;
    const auto delays = shuffled_delays(timers.size(), std::chrono::milliseconds(10));
    for (std::size_t i = 0; i < timers.size(); ++i) {
        const auto deadline = loop.now() + delays[i];
        timers[i].then = [&loop, &earliest, deadline] {
            earliest = std::max<nanoseconds>(earliest, deadline - loop.now());
        };
        loop.call_at(&timers[i], deadline);
    }
    run_until_all_complete(loop, timers);
    expect_equal(earliest.count(), 0, "nanoseconds by which a timer completed before its deadline");
}

/// Calls judge(ahead) with longer and longer times until it returns true: not before all timers were
/// armed `ahead` of the first deadline. One that has passed may count as the time of the call, so on a
/// slow machine the order of the deadlines would not be what is promised.
template <class Judge>
void with_deadlines_ahead(Judge judge) {
    nanoseconds ahead = std::chrono::milliseconds(5);
    while (!judge(ahead)) ahead *= 2;
}

template <event_loop Loop>
void required_timers_complete_in_order_of_deadline() {
    with_deadlines_ahead([](nanoseconds ahead) {
        std::vector<timer_probe> timers(1'000);
        std::vector<nanoseconds> completed;
        Loop loop;
        const auto delays = shuffled_delays(timers.size(), std::chrono::milliseconds(5));
        const auto begin = loop.now() + ahead;
        for (std::size_t i = 0; i < timers.size(); ++i) {
            timers[i].then = [&completed, delay = delays[i]] { completed.push_back(delay); };
            loop.call_at(&timers[i], begin + delays[i]);
        }
        const bool in_time = loop.now() < begin;
        run_until_all_complete(loop, timers);
        expect(!in_time || std::ranges::is_sorted(completed),
               "a timer completed before one of an earlier deadline", "the order of the deadlines");
        return in_time;
    });
}

template <event_loop Loop>
void required_equal_deadlines_complete_in_order_of_call() {
    constexpr std::size_t deadlines = 10;
    std::vector<timer_probe> timers(1'000);
    std::vector<std::vector<std::size_t>> completed(deadlines);
    timer_probe midway;
    Loop loop;
    const auto begin = loop.now() + std::chrono::milliseconds(5);
    const auto arm = [&](std::size_t first, std::size_t last) {
        for (std::size_t i = first; i < last; ++i) {
            const std::size_t which = (7 * i) % deadlines;
            timers[i].then = [&completed, which, i] { completed[which].push_back(i); };
            loop.call_at(&timers[i], begin + std::chrono::microseconds(which));
        }
    };
    arm(0, timers.size() / 2);
    midway.then = [&] { arm(timers.size() / 2, timers.size()); };
    loop.call_at(&midway, begin - std::chrono::milliseconds(2));
    run_until_complete(loop, midway);
    run_until_all_complete(loop, timers);
    for (const auto& same_deadline : completed) {
        expect(std::ranges::is_sorted(same_deadline),
               "a timer completed before one of the same deadline that was armed earlier",
               "the order of the calls");
    }
}

template <event_loop Loop>
void required_deadline_that_has_passed_completes() {
    std::vector<timer_probe> timers(4);
    Loop loop;
    loop.call_at(&timers[0], loop.now() - std::chrono::hours(1));
    loop.call_at(&timers[1], time_point{});
    loop.call_at(&timers[2], time_point::min());
    loop.call_at(&timers[3], loop.now());
    run_until_all_complete(loop, timers);
    settle(loop);
    for (const auto& timer : timers) expect_result(timer, 0, "a timer whose deadline has passed");
}

template <event_loop Loop>
void required_far_deadline_waits() {
    timer_probe farthest;
    timer_probe in_a_century;
    timer_probe near;
    Loop loop;
    loop.call_at(&farthest, time_point::max());
    loop.call_at(&in_a_century, loop.now() + std::chrono::years(100));
    loop.call_at(&near, loop.now() + std::chrono::milliseconds(2));
    run_until_complete(loop, near);
    settle(loop);
    expect_equal(farthest.completions + in_a_century.completions, 0,
                 "completions of timers that are due in a century or never");
}

template <event_loop Loop>
void required_100000_timers_at_once() {
    std::vector<timer_probe> timers(100'000);
    Loop loop;
    const auto delays = shuffled_delays(timers.size(), std::chrono::milliseconds(50));
    for (std::size_t i = 0; i < timers.size(); ++i) {
        loop.call_at(&timers[i], loop.now() + delays[i]);
    }
    run_until_all_complete(loop, timers);
    settle(loop);
    for (const auto& timer : timers) expect_result(timer, 0, "one of 100,000 timers");
}

template <event_loop Loop>
void required_timer_is_armed_again_inside_its_done() {
    constexpr int rounds = 200;
    timer_probe timer;
    Loop loop;
    timer.then = [&] {
        if (timer.completions == rounds) return loop.stop();
        loop.call_at(&timer, loop.now() + std::chrono::microseconds(timer.completions % 20));
    };
    loop.call_at(&timer, loop.now());
    loop.run();
    settle(loop);
    expect_equal(timer.completions, rounds,
                 text("completions of a timer armed ", rounds, " times"));
}

template <event_loop Loop>
void required_cancelled_timers_complete_once() {
    std::vector<timer_probe> timers(1'000);
    Loop loop;
    for (auto& timer : timers) loop.call_at(&timer, loop.now() + std::chrono::hours(1));
    for (auto& timer : timers) loop.cancel(&timer);
    for (auto& timer : timers) loop.cancel(&timer);
    run_until_all_complete(loop, timers);
    settle(loop);
    for (const auto& timer : timers) {
        expect_result(timer, -ECANCELED, "a timer of one hour, cancelled twice");
    }
}

template <event_loop Loop>
void required_cancel_completes_nothing_outside_run() {
    timer_probe timer;
    Loop loop;
    loop.call_at(&timer, loop.now() + std::chrono::hours(1));
    loop.cancel(&timer);
    expect_equal(timer.completions, 0,
                 "completions inside a cancel() that was called outside run()");
}

template <event_loop Loop>
void required_cancelling_some_timers_leaves_the_others() {
    constexpr std::size_t stride = 3;
    with_deadlines_ahead([](nanoseconds ahead) {
        timer_probe last;
        std::vector<timer_probe> timers(3'000);
        std::vector<nanoseconds> completed;
        Loop loop;
        const auto delays = shuffled_delays(timers.size(), std::chrono::milliseconds(5));
        const auto begin = loop.now() + ahead;
        for (std::size_t i = 0; i < timers.size(); ++i) {
            timers[i].then = [&, i] {
                if (timers[i].result == 0) completed.push_back(delays[i]);
            };
            loop.call_at(&timers[i], begin + delays[i]);
        }
        for (std::size_t i = 0; i < timers.size(); i += stride) loop.cancel(&timers[i]);
        loop.call_at(&last, begin + std::chrono::milliseconds(6));
        const bool in_time = loop.now() < begin;
        run_until_complete(loop, last);
        for (std::size_t i = 0; i < timers.size(); ++i) {
            if (i % stride != 0) expect_result(timers[i], 0, "a timer beside cancelled ones");
        }
        expect(!in_time || std::ranges::is_sorted(completed),
               "timers left by cancel() completed out of order", "the order of the deadlines");
        return in_time;
    });
}

template <event_loop Loop>
void required_cancel_beside_completion_completes_once() {
    std::vector<timer_probe> timers(100);
    Loop loop;
    timers.front().then = [&] {
        for (auto& timer : timers) {
            if (timer.completions == 0) loop.cancel(&timer);
        }
    };
    const auto deadline = loop.now() + std::chrono::milliseconds(1);
    for (auto& timer : timers) loop.call_at(&timer, deadline);
    run_until_all_complete(loop, timers);
    settle(loop);
    for (const auto& timer : timers) {
        expect_result_among(timer, {0, -ECANCELED}, "a timer cancelled when it was due");
    }
}

template <event_loop Loop>
void required_cancel_after_completion_changes_nothing() {
    timer_probe timer;
    Loop loop;
    loop.call_at(&timer, loop.now());
    run_until_complete(loop, timer);
    loop.cancel(&timer);
    settle(loop);
    expect_result(timer, 0, "a timer that was cancelled after it had completed");
    timer.completions = 0;
    loop.call_at(&timer, loop.now());
    run_until_complete(loop, timer);
    expect_result(timer, 0, "the same timer, armed again");
}

template <event_loop Loop>
void required_cancelled_timer_is_armed_again_inside_its_done() {
    timer_probe timer;
    std::vector<int> results;
    Loop loop;
    timer.then = [&] {
        results.push_back(timer.result);
        if (timer.completions == 1) return loop.call_at(&timer, loop.now());
        loop.stop();
    };
    loop.call_at(&timer, loop.now() + std::chrono::hours(1));
    loop.cancel(&timer);
    loop.run();
    settle(loop);
    expect_equal(timer.completions, 2, "completions of a timer armed, cancelled and armed again");
    expect_equal(results.front(), -ECANCELED, "result of the cancelled wait");
    expect_equal(results.back(), 0, "result of the wait that followed");
}

template <event_loop Loop>
void required_timers_complete_while_an_operation_reposts_itself() {
    timer_probe timer;
    post_probe busy;
    Loop loop;
    busy.then = [&] {
        if (timer.completions == 0) loop.post(&busy);
    };
    loop.call_at(&timer, loop.now() + std::chrono::milliseconds(1));
    loop.post(&busy);
    run_until_complete(loop, timer);
    expect_result(timer, 0, "a timer beside an operation that keeps posting itself");
}

template <event_loop Loop>
void required_due_timer_goes_before_posts_that_compute() {
    slow_posts slow;
    timer_probe timer;
    Loop loop;
    loop.call_at(&timer, loop.now() + std::chrono::microseconds(100));
    slow.post_before(loop, timer.then);
    run_until_all_complete(loop, slow.all());
    run_until_complete(loop, timer);
    slow.expect_before(22, "a timer due after 0.1 ms");  // By its clock it may be 20 ms late.
}

template <event_loop Loop>
std::vector<rule> timer_rules() {
    constexpr auto where = loop_contract;
    constexpr std::string_view cancelled =
        "A cancelled operation completes exactly once: with -ECANCELED, or with its own result.";
    return {
        rule_of<required_timers_are_never_early<Loop>>(
            "A timer completes when now() >= t, never before.", where),
        rule_of<required_timers_complete_in_order_of_deadline<Loop>>(
            "Timers complete in the order of their deadlines.", where),
        rule_of<required_equal_deadlines_complete_in_order_of_call<Loop>>(
            "Timers with equal deadlines complete in the order of the calls.", where),
        rule_of<required_deadline_that_has_passed_completes<Loop>>(
            "A deadline that has passed counts as some moment between the loop's last look at its "
            "clock "
            "and the call.",
            where),
        rule_of<required_far_deadline_waits<Loop>>(
            "A timer completes when now() >= t, never before.", where, need::real_time),
        rule_of<required_100000_timers_at_once<Loop>>(
            "call_at completes `op` with 0, exactly once.", where),
        rule_of<required_timer_is_armed_again_inside_its_done<Loop>>(
            "`done` may free the operation, or submit it again to any loop.", where),
        rule_of<required_cancelled_timers_complete_once<Loop>>(cancelled, where),
        rule_of<required_cancel_completes_nothing_outside_run<Loop>>(
            "`done` is called from inside run().", where),
        rule_of<required_cancelling_some_timers_leaves_the_others<Loop>>(
            "Timers complete in the order of their deadlines.", where),
        rule_of<required_cancel_beside_completion_completes_once<Loop>>(cancelled, where),
        rule_of<required_cancel_after_completion_changes_nothing<Loop>>(cancelled, where),
        rule_of<required_cancelled_timer_is_armed_again_inside_its_done<Loop>>(
            "`done` may free the operation, or submit it again to any loop.", where),
        rule_of<required_timers_complete_while_an_operation_reposts_itself<Loop>>(
            "Operations that keep posting themselves do not keep timers from completing.", where,
            need::real_time),
        rule_of<required_due_timer_goes_before_posts_that_compute<Loop>>(
            "What is due goes before what was only posted, however long that takes.", where,
            need::real_time),
    };
}

}  // namespace overlap::conformance
