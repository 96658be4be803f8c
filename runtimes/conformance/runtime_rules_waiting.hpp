// Rules of every runtime: sleeping, yielding, and how many tasks are in flight.
#pragma once

#include <overlap/conformance/runtime_tasks.hpp>

#include <algorithm>
#include <utility>

namespace overlap::conformance {

/// When a task ran, in nanoseconds of the runtime's clock.
struct lifetime {
    std::int64_t started;
    std::int64_t ended;
};

/// Most tasks in flight at one moment.
inline std::size_t peak_in_flight(const std::vector<lifetime>& tasks) {
    std::vector<std::pair<std::int64_t, int>> changes;
    for (const auto& task : tasks) {
        changes.emplace_back(task.started, +1);
        changes.emplace_back(task.ended, -1);
    }
    std::ranges::sort(changes);  // At the same nanosecond an end counts before a start.
    int now = 0;
    int peak = 0;
    for (const auto& change : changes) peak = std::max(peak, now += change.second);
    return static_cast<std::size_t>(peak);
}

/// Nanoseconds from the deadline, `index` ms from now, to the return of sleep_until. That of the
/// first task has passed already.
template <stackless_runtime Runtime>
task_of<Runtime, std::int64_t> lateness_of_a_sleep(Runtime& runtime, std::size_t index) {
    const time_point deadline = runtime.now() + std::chrono::milliseconds(index) - nanoseconds(1);
    co_await runtime.sleep_until(deadline);
    co_return nanoseconds(runtime.now() - deadline).count();
}

template <direct_runtime Runtime>
task_of<Runtime, std::int64_t> lateness_of_a_sleep(Runtime& runtime, std::size_t index) {
    const time_point deadline = runtime.now() + std::chrono::milliseconds(index) - nanoseconds(1);
    runtime.sleep_until(deadline);
    return nanoseconds(runtime.now() - deadline).count();
}

template <stackless_runtime Runtime>
task_of<Runtime, std::vector<std::int64_t>> gather_latenesses(Runtime& runtime, std::size_t n) {
    co_return co_await runtime.gather(
        n, [&runtime](std::size_t index) { return lateness_of_a_sleep(runtime, index); });
}

template <direct_runtime Runtime>
task_of<Runtime, std::vector<std::int64_t>> gather_latenesses(Runtime& runtime, std::size_t n) {
    return runtime.gather(
        n, [&runtime](std::size_t index) { return lateness_of_a_sleep(runtime, index); });
}

template <any_runtime Runtime>
void required_sleep_is_never_early() {
    fresh<Runtime> made;
    Runtime& runtime = made.runtime;
    for (const auto late : run_root(runtime, [&] { return gather_latenesses(runtime, 12); })) {
        expect(late >= 0, text("sleep_until returned ", -late, " ns early"), "now() >= deadline");
    }
}

template <stackless_runtime Runtime>
task_of<Runtime, lifetime> sleep_for(Runtime& runtime, nanoseconds duration) {
    const time_point started = runtime.now();
    co_await runtime.sleep_until(started + duration);
    co_return {.started = nanoseconds(started.time_since_epoch()).count(),
               .ended = nanoseconds(runtime.now().time_since_epoch()).count()};
}

template <direct_runtime Runtime>
task_of<Runtime, lifetime> sleep_for(Runtime& runtime, nanoseconds duration) {
    const time_point started = runtime.now();
    runtime.sleep_until(started + duration);
    return {.started = nanoseconds(started.time_since_epoch()).count(),
            .ended = nanoseconds(runtime.now().time_since_epoch()).count()};
}

template <stackless_runtime Runtime>
task_of<Runtime, std::vector<lifetime>> gather_sleeps(Runtime& runtime, std::size_t n,
                                                      nanoseconds duration) {
    co_return co_await runtime.gather(
        n, [&runtime, duration](std::size_t) { return sleep_for(runtime, duration); });
}

template <direct_runtime Runtime>
task_of<Runtime, std::vector<lifetime>> gather_sleeps(Runtime& runtime, std::size_t n,
                                                      nanoseconds duration) {
    return runtime.gather(
        n, [&runtime, duration](std::size_t) { return sleep_for(runtime, duration); });
}

/// All that may be in flight must be, provided that the sleeps last long enough for all to start;
/// how long that is depends on the machine, so they last longer and longer.
template <any_runtime Runtime>
void required_as_many_tasks_are_in_flight_as_the_limit_says() {
    fresh<Runtime> made;
    Runtime& runtime = made.runtime;
    const std::size_t limit = runtime.task_limit();
    const std::size_t n = limit < 25 ? 2 * limit : 50;
    const std::size_t expected = std::min(n, limit);
    std::size_t peak = 0;
    for (auto duration = std::chrono::milliseconds(10); peak < expected; duration *= 5) {
        if (duration > std::chrono::seconds(10)) break;
        peak =
            peak_in_flight(run_root(runtime, [&] { return gather_sleeps(runtime, n, duration); }));
        expect(peak <= limit, text(peak, " tasks in flight"), text("at most ", limit));
    }
    expect_equal(peak, expected, text("tasks in flight at once, of ", n, " that sleep"));
}

template <stackless_runtime Runtime>
task_of<Runtime, std::size_t> yield_often(Runtime& runtime, std::size_t index) {
    for (std::size_t turn = 0; turn < 100; ++turn) co_await runtime.yield();
    co_return index;
}

template <direct_runtime Runtime>
task_of<Runtime, std::size_t> yield_often(Runtime& runtime, std::size_t index) {
    for (std::size_t turn = 0; turn < 100; ++turn) runtime.yield();
    return index;
}

template <stackless_runtime Runtime>
task_of<Runtime, std::vector<std::size_t>> gather_yields(Runtime& runtime, std::size_t n) {
    co_return co_await runtime.gather(
        n, [&runtime](std::size_t index) { return yield_often(runtime, index); });
}

template <direct_runtime Runtime>
task_of<Runtime, std::vector<std::size_t>> gather_yields(Runtime& runtime, std::size_t n) {
    return runtime.gather(n, [&runtime](std::size_t index) { return yield_often(runtime, index); });
}

template <any_runtime Runtime>
void required_tasks_that_yield_all_end() {
    fresh<Runtime> made;
    Runtime& runtime = made.runtime;
    const auto results = run_root(runtime, [&] { return gather_yields(runtime, 50); });
    for (std::size_t index = 0; index < 50; ++index) {
        expect_equal(results[index], index, text("result ", index, " of tasks that yield"));
    }
}

template <any_runtime Runtime>
std::vector<rule> runtime_waiting_rules() {
    return {
        {"required_sleep_is_never_early", "sleep_until holds the task until now() >= t",
         runtime_contract, &required_sleep_is_never_early<Runtime>},
        {"required_as_many_tasks_are_in_flight_as_the_limit_says",
         "task_limit() is how many tasks can be in flight at once; sleep_until holds the task, and "
         "no other",
         runtime_contract, &required_as_many_tasks_are_in_flight_as_the_limit_says<Runtime>},
        {"required_tasks_that_yield_all_end", "yield lets other tasks that are ready go first",
         runtime_contract, &required_tasks_that_yield_all_end<Runtime>},
    };
}

}  // namespace overlap::conformance
