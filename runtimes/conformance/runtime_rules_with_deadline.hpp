// Rules of runtimes that cancel: tasks that have a deadline.
#pragma once

#include <overlap/conformance/runtime_rules_cancel.hpp>

#include <vector>

namespace overlap::conformance {

/// body(runtime, 0) with a deadline.
template <cancelling_runtime Runtime, class Body>
auto limited(Runtime& runtime, time_point deadline, Body body) {
    if constexpr (direct_runtime<Runtime>) {
        return runtime.with_deadline(deadline, [&] { return body(runtime, 0); });
    } else {
        return runtime.with_deadline(deadline, body(runtime, 0));
    }
}

/// Gathers two tasks that sleep, with a deadline, and then sleeps `rest` longer.
template <stackless_runtime Runtime>
task_of<Runtime, int> sleep_with_deadline(Runtime& runtime, task_counts& counts, nanoseconds sleeps,
                                          nanoseconds allowed, nanoseconds rest) {
    const time_point deadline = runtime.now() + allowed;
    int code = 0;
    try {
        co_await limited(runtime, deadline, [&counts, sleeps](Runtime& on, std::size_t) {
            return gather_and_count(on, counts, 2, sleeps);
        });
    } catch (const std::system_error& error) {
        code = error.code().value();
    }
    const time_point end = runtime.now() + rest;
    co_await runtime.sleep_until(end);
    co_return runtime.now() < end ? EINTR : code;
}

template <direct_runtime Runtime>
task_of<Runtime, int> sleep_with_deadline(Runtime& runtime, task_counts& counts, nanoseconds sleeps,
                                          nanoseconds allowed, nanoseconds rest) {
    const time_point deadline = runtime.now() + allowed;
    int code = 0;
    try {
        limited(runtime, deadline, [&counts, sleeps](Runtime& on, std::size_t) {
            return gather_and_count(on, counts, 2, sleeps);
        });
    } catch (const std::system_error& error) {
        code = error.code().value();
    }
    const time_point end = runtime.now() + rest;
    runtime.sleep_until(end);
    return runtime.now() < end ? EINTR : code;
}

template <any_runtime Runtime>
void required_with_deadline_ends_what_takes_longer() {
    require_cancelling<Runtime>();
    if constexpr (cancelling_runtime<Runtime>) {
        task_counts counts;
        fresh<Runtime> made;
        Runtime& runtime = made.runtime;
        const int error = run_root(runtime, [&] {
            return sleep_with_deadline(runtime, counts, long_wait, std::chrono::milliseconds(5),
                                       nanoseconds(1));
        });
        expect_equal(error, ETIMEDOUT, "error of a task that takes longer than it may");
        expect_equal(counts.cleaned_up, 3U, "clean-ups of tasks whose deadline has come");
        expect_equal(counts.went_on, 0U, "tasks that went on after their deadline");
    }
}

template <any_runtime Runtime>
void required_with_deadline_leaves_alone_what_ends_in_time() {
    require_cancelling<Runtime>();
    if constexpr (cancelling_runtime<Runtime>) {
        task_counts counts;
        fresh<Runtime> made;
        Runtime& runtime = made.runtime;
        const int error = run_root(runtime, [&] {
            return sleep_with_deadline(runtime, counts, nanoseconds(1),
                                       std::chrono::milliseconds(100),
                                       std::chrono::milliseconds(150));
        });
        expect_equal(error, 0, "error of a task that ended in time, or of a sleep after it");
        expect_equal(counts.went_on, 3U, "tasks that went on to their ends");
    }
}

template <any_runtime Runtime>
std::vector<rule> runtime_with_deadline_rules() {
    return {
        rule_of<required_with_deadline_ends_what_takes_longer<Runtime>>(
            "when the deadline comes first, with_deadline ends the task and throws "
            "std::errc::timed_out",
            runtime_contract),
        rule_of<required_with_deadline_leaves_alone_what_ends_in_time<Runtime>>(
            "with_deadline returns the task's result", runtime_contract),
    };
}

}  // namespace overlap::conformance
