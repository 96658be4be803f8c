// The heartbeat workload: one task beats at an interval while the others compute.
#pragma once

#include "bench/workloads/computing.hpp"
#include "bench/workloads/heartbeat/case.hpp"

#include <overlap/core/runtime.hpp>
#include <overlap/coroutine/task.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace overlap::bench {

/// What a task of this workload returns: the one that beats the longest and the mean gap between
/// two beats in nanoseconds, the others the value that they have computed.
struct pulse {
    std::uint64_t value = 0;
    std::int64_t longest_gap = 0;
    std::int64_t mean_gap = 0;
};

/// Sleeps until one interval after it woke, so that a gap is never shorter than the interval.
template <stackless_runtime Runtime, class Flight>
task<pulse> beat(Runtime& runtime, const heartbeat_case& given, Flight) {
    pulse seen;
    const time_point first = runtime.now();
    time_point last = first;
    for (std::size_t i = 0; i < given.beats; ++i) {
        co_await runtime.sleep_until(last + given.interval);
        const time_point now = runtime.now();
        seen.longest_gap = std::max(seen.longest_gap, nanoseconds(now - last).count());
        last = now;
    }
    seen.mean_gap = nanoseconds(last - first).count() / static_cast<std::int64_t>(given.beats);
    co_return seen;
}

template <direct_runtime Runtime, class Flight>
pulse beat(Runtime& runtime, const heartbeat_case& given, Flight) {
    pulse seen;
    const time_point first = runtime.now();
    time_point last = first;
    for (std::size_t i = 0; i < given.beats; ++i) {
        runtime.sleep_until(last + given.interval);
        const time_point now = runtime.now();
        seen.longest_gap = std::max(seen.longest_gap, nanoseconds(now - last).count());
        last = now;
    }
    seen.mean_gap = nanoseconds(last - first).count() / static_cast<std::int64_t>(given.beats);
    return seen;
}

/// Computes in parts, and yields before each. Part p of task i has the value of leaf
/// i * parts + p. The seed is handed on by value: workers that were forked before this run do not
/// see what has changed since.
template <stackless_runtime Runtime, class Flight>
task<pulse> compute_in_parts(Runtime& runtime, const heartbeat_case& given, std::uint32_t seed,
                             std::size_t index, Flight) {
    pulse computed;
    for (std::size_t part = 0; part < given.parts; ++part) {
        co_await runtime.yield();
        computed.value += leaf_value(leaf_state(seed, index * given.parts + part), given.work);
    }
    co_return computed;
}

template <direct_runtime Runtime, class Flight>
pulse compute_in_parts(Runtime& runtime, const heartbeat_case& given, std::uint32_t seed,
                       std::size_t index, Flight) {
    pulse computed;
    for (std::size_t part = 0; part < given.parts; ++part) {
        runtime.yield();
        computed.value += leaf_value(leaf_state(seed, index * given.parts + part), given.work);
    }
    return computed;
}

/// Task 0 beats, tasks 1 to n compute.
template <stackless_runtime Runtime, class Log>
task<std::vector<pulse>> beat_and_compute(Runtime& runtime, const heartbeat_case& given,
                                          std::uint32_t seed, Log& log) {
    co_return co_await runtime.gather(given.tasks + 1, [&, seed](std::size_t index) {
        if (index == 0) return beat(runtime, given, log.enter());
        return compute_in_parts(runtime, given, seed, index - 1, log.enter());
    });
}

template <direct_runtime Runtime, class Log>
std::vector<pulse> beat_and_compute(Runtime& runtime, const heartbeat_case& given,
                                    std::uint32_t seed, Log& log) {
    return runtime.gather(given.tasks + 1, [&, seed](std::size_t index) {
        if (index == 0) return beat(runtime, given, log.enter());
        return compute_in_parts(runtime, given, seed, index - 1, log.enter());
    });
}

}  // namespace overlap::bench
