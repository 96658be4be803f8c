// Rules of every runtime: sleeping, yielding, how many tasks are in flight, tasks in the background.
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
    const auto begin = std::chrono::steady_clock::now();
    for (auto duration = std::chrono::milliseconds(20); peak < expected; duration *= 10) {
        if (std::chrono::steady_clock::now() - begin > std::chrono::seconds(3)) break;
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

/// Enough turns for another task to run, and time enough for its thread to start: on a busy machine a
/// turn of a thread that yields may last milliseconds.
class patient_turns {
public:
    bool lasts() {
        return ++turns_ < 1000 ||
               std::chrono::steady_clock::now() - begin_ < std::chrono::seconds(1);
    }

private:
    int turns_ = 0;
    std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

/// The first task yields until another one has run; whether that came about.
template <stackless_runtime Runtime>
task_of<Runtime, bool>
yield_until_another_runs(Runtime& runtime, std::atomic<std::uint32_t>* counts, std::size_t index) {
    if (index != 0) ++counts[0];
    for (patient_turns while_none; counts[0] == 0 && while_none.lasts();) co_await runtime.yield();
    co_return counts[0] != 0;
}

template <direct_runtime Runtime>
task_of<Runtime, bool>
yield_until_another_runs(Runtime& runtime, std::atomic<std::uint32_t>* counts, std::size_t index) {
    if (index != 0) ++counts[0];
    for (patient_turns while_none; counts[0] == 0 && while_none.lasts();) runtime.yield();
    return counts[0] != 0;
}

template <stackless_runtime Runtime>
task_of<Runtime, std::vector<bool>> gather_yielding_pair(Runtime& runtime,
                                                         std::atomic<std::uint32_t>* counts) {
    co_return co_await runtime.gather(2, [&runtime, counts](std::size_t index) {
        return yield_until_another_runs(runtime, counts, index);
    });
}

template <direct_runtime Runtime>
task_of<Runtime, std::vector<bool>> gather_yielding_pair(Runtime& runtime,
                                                         std::atomic<std::uint32_t>* counts) {
    return runtime.gather(2, [&runtime, counts](std::size_t index) {
        return yield_until_another_runs(runtime, counts, index);
    });
}

template <any_runtime Runtime>
void required_yield_lets_other_tasks_go_first() {
    const shared_counts counts(1);
    fresh<Runtime> made;
    Runtime& runtime = made.runtime;
    if (runtime.task_limit() < 2) throw does_not_apply("needs two tasks in flight at once");
    const auto seen =
        run_root(runtime, [&] { return gather_yielding_pair(runtime, counts.data()); });
    expect(seen.front(), "a task yielded for a second, and no other one ran",
           "yield lets other tasks that are ready go first");
}

/// Whether a runtime has spawn(), which is not asked of all.
template <class Runtime>
concept spawning_runtime =
    (direct_runtime<Runtime> &&
     requires(Runtime& runtime) { runtime.spawn([] { return std::size_t{1}; }).join(); }) ||
    (stackless_runtime<Runtime> && requires(Runtime& runtime, task_of<Runtime, std::size_t> task) {
        runtime.spawn(std::move(task));
    });

/// Starts body(runtime, index), a task of either colour, in the background.
template <spawning_runtime Runtime, class Body>
auto start(Runtime& runtime, Body body, std::size_t index) {
    if constexpr (direct_runtime<Runtime>) {
        return runtime.spawn([&runtime, body, index] { return body(runtime, index); });
    } else {
        return runtime.spawn(body(runtime, index));
    }
}

/// What `co_await` takes for the end of a background task; in the direct colour, its result.
template <spawning_runtime Runtime, class Handle>
decltype(auto) joined(Handle& handle) {
    if constexpr (direct_runtime<Runtime>) {
        return handle.join();
    } else {
        return (handle);
    }
}

template <stackless_runtime Runtime>
task_of<Runtime, std::vector<std::size_t>> spawn_squares(Runtime& runtime, std::size_t n) {
    std::vector<decltype(start(runtime, &square_of<Runtime>, n))> started;
    for (std::size_t index = 0; index < n; ++index) {
        started.push_back(start(runtime, &square_of<Runtime>, index));
    }
    std::vector<std::size_t> results;
    for (auto& each : started) results.push_back(co_await joined<Runtime>(each));
    co_return results;
}

template <direct_runtime Runtime>
task_of<Runtime, std::vector<std::size_t>> spawn_squares(Runtime& runtime, std::size_t n) {
    std::vector<decltype(start(runtime, &square_of<Runtime>, n))> started;
    for (std::size_t index = 0; index < n; ++index) {
        started.push_back(start(runtime, &square_of<Runtime>, index));
    }
    std::vector<std::size_t> results;
    for (auto& each : started) results.push_back(joined<Runtime>(each));
    return results;
}

/// The errno value with which a background task fails; 0 when joining it throws nothing.
template <stackless_runtime Runtime>
task_of<Runtime, int> error_of_spawned_task(Runtime& runtime) {
    auto started = start(runtime, &throw_system_error<Runtime>, 0);
    try {
        co_await joined<Runtime>(started);
    } catch (const std::system_error& error) {
        co_return error.code().value();
    }
    co_return 0;
}

template <direct_runtime Runtime>
task_of<Runtime, int> error_of_spawned_task(Runtime& runtime) {
    auto started = start(runtime, &throw_system_error<Runtime>, 0);
    try {
        joined<Runtime>(started);
    } catch (const std::system_error& error) {
        return error.code().value();
    }
    return 0;
}

/// Whether a background task sees what its spawner does after spawn() has returned.
template <stackless_runtime Runtime>
task_of<Runtime, bool> run_beside_spawned_task(Runtime& runtime,
                                               std::atomic<std::uint32_t>* counts) {
    auto started = start(
        runtime,
        [counts](Runtime& on, std::size_t index) {
            return yield_until_another_runs(on, counts, index);
        },
        0);
    ++counts[0];
    co_return co_await joined<Runtime>(started);
}

template <direct_runtime Runtime>
task_of<Runtime, bool> run_beside_spawned_task(Runtime& runtime,
                                               std::atomic<std::uint32_t>* counts) {
    auto started = start(
        runtime,
        [counts](Runtime& on, std::size_t index) {
            return yield_until_another_runs(on, counts, index);
        },
        0);
    ++counts[0];
    return joined<Runtime>(started);
}

template <any_runtime Runtime>
void require_spawn() {
    if (!spawning_runtime<Runtime>) throw does_not_apply("needs a runtime with spawn()");
}

template <any_runtime Runtime>
void required_spawned_tasks_are_joined() {
    require_spawn<Runtime>();
    if constexpr (spawning_runtime<Runtime>) {
        fresh<Runtime> made;
        Runtime& runtime = made.runtime;
        const auto results = run_root(runtime, [&] { return spawn_squares(runtime, 20); });
        for (std::size_t index = 0; index < 20; ++index) {
            expect_equal(results[index], index * index, text("result of spawned task ", index));
        }
    }
}

template <any_runtime Runtime>
void required_join_throws_what_the_task_threw() {
    require_spawn<Runtime>();
    if constexpr (spawning_runtime<Runtime>) {
        fresh<Runtime> made;
        Runtime& runtime = made.runtime;
        const int error = run_root(runtime, [&] { return error_of_spawned_task(runtime); });
        expect_equal(error, ENOENT, "error of a spawned task that threw ENOENT");
    }
}

template <any_runtime Runtime>
void required_spawned_tasks_run_beside_their_spawner() {
    require_spawn<Runtime>();
    if constexpr (spawning_runtime<Runtime>) {
        const shared_counts counts(1);
        fresh<Runtime> made;
        Runtime& runtime = made.runtime;
        expect(run_root(runtime, [&] { return run_beside_spawned_task(runtime, counts.data()); }),
               "a spawned task ended before its spawner went on, although it yielded",
               "spawn runs a task in the background");
    }
}

template <any_runtime Runtime>
std::vector<rule> runtime_waiting_rules() {
    return {
        rule_of<required_sleep_is_never_early<Runtime>>(
            "sleep_until holds the task until now() >= t", runtime_contract),
        rule_of<required_as_many_tasks_are_in_flight_as_the_limit_says<Runtime>>(
            "task_limit() is how many tasks can be in flight at once; sleep_until holds the task, "
            "and "
            "no other",
            runtime_contract),
        rule_of<required_tasks_that_yield_all_end<Runtime>>(
            "yield lets other tasks that are ready go first", runtime_contract),
        rule_of<required_yield_lets_other_tasks_go_first<Runtime>>(
            "yield lets other tasks that are ready go first", runtime_contract),
        rule_of<required_spawned_tasks_are_joined<Runtime>>(
            "joining a spawned task waits for its end and returns its result", runtime_contract),
        rule_of<required_join_throws_what_the_task_threw<Runtime>>(
            "joining a spawned task throws what the task threw", runtime_contract),
        rule_of<required_spawned_tasks_run_beside_their_spawner<Runtime>>(
            "spawn runs a task in the background", runtime_contract),
    };
}

}  // namespace overlap::conformance
