// The sleeps workload: n tasks, each of which sleeps once and says how late it woke.
#pragma once

#include "bench/workloads/sleeps/case.hpp"

#include <overlap/core/runtime.hpp>
#include <overlap/coroutine/task.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace overlap::bench {

/// What a task that sleeps is given. The flight comes first, so that it lasts at least as long as
/// the delay, and in one struct, where one that logs nothing takes no byte: a coroutine keeps each
/// parameter in its frame, which takes 112 bytes like this and 128 with a delay or flight of its own.
template <class Flight>
struct sleeper {
    [[no_unique_address]] Flight flight;
    time_point deadline;
};

/// Returns by how many nanoseconds it woke late.
template <stackless_runtime Runtime, class Flight>
task<std::int64_t> sleep_once(Runtime& runtime, sleeper<Flight> self) {
    co_await runtime.sleep_until(self.deadline);
    co_return (runtime.now() - self.deadline).count();
}

template <direct_runtime Runtime, class Flight>
std::int64_t sleep_once(Runtime& runtime, sleeper<Flight> self) {
    runtime.sleep_until(self.deadline);
    return (runtime.now() - self.deadline).count();
}

/// Returns the lateness of each task, by index.
template <stackless_runtime Runtime, class Log>
task<std::vector<std::int64_t>> sleep_all(Runtime& runtime, const sleeps_case& given, Log& log) {
    co_return co_await runtime.gather(given.tasks, [&](std::size_t index) {
        return sleep_once(runtime, sleeper{log.enter(), runtime.now() + given.delay(index)});
    });
}

template <direct_runtime Runtime, class Log>
std::vector<std::int64_t> sleep_all(Runtime& runtime, const sleeps_case& given, Log& log) {
    return runtime.gather(given.tasks, [&](std::size_t index) {
        return sleep_once(runtime, sleeper{log.enter(), runtime.now() + given.delay(index)});
    });
}

}  // namespace overlap::bench
