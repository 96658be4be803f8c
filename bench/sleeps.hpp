// The sleeps workload: n tasks, each of which sleeps once and says how late it woke.
#pragma once

#include "bench/specification.hpp"

#include <overlap/core/runtime.hpp>
#include <overlap/coroutine/task.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace overlap::bench {

/// Sleeps for `delay` from now on, and returns by how many nanoseconds it woke late.
template <stackless_runtime Runtime, class Flight>
task<std::int64_t> sleep_once(Runtime& runtime, nanoseconds delay, Flight) {
    const time_point deadline = runtime.now() + delay;
    co_await runtime.sleep_until(deadline);
    co_return (runtime.now() - deadline).count();
}

template <direct_runtime Runtime, class Flight>
std::int64_t sleep_once(Runtime& runtime, nanoseconds delay, Flight) {
    const time_point deadline = runtime.now() + delay;
    runtime.sleep_until(deadline);
    return (runtime.now() - deadline).count();
}

/// Returns the lateness of each task, by index.
template <stackless_runtime Runtime, class Log>
task<std::vector<std::int64_t>> sleep_all(Runtime& runtime, const sleeps_case& spec, Log& log) {
    co_return co_await runtime.gather(spec.tasks, [&](std::size_t index) {
        return sleep_once(runtime, spec.delay(index), log.enter());
    });
}

template <direct_runtime Runtime, class Log>
std::vector<std::int64_t> sleep_all(Runtime& runtime, const sleeps_case& spec, Log& log) {
    return runtime.gather(spec.tasks, [&](std::size_t index) {
        return sleep_once(runtime, spec.delay(index), log.enter());
    });
}

}  // namespace overlap::bench
