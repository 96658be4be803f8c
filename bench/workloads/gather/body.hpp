// The gather workload: a tree of tasks, each leaf of which yields once and computes.
#pragma once

#include "bench/workloads/computing.hpp"
#include "bench/workloads/gather/case.hpp"

#include <overlap/core/runtime.hpp>
#include <overlap/coroutine/task.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace overlap::bench {

template <stackless_runtime Runtime, class Flight>
task<std::uint64_t> compute_leaf(Runtime& runtime, std::uint32_t state, std::uint32_t work,
                                 Flight) {
    co_await runtime.yield();
    co_return leaf_value(state, work);
}

template <direct_runtime Runtime, class Flight>
std::uint64_t compute_leaf(Runtime& runtime, std::uint32_t state, std::uint32_t work, Flight) {
    runtime.yield();
    return leaf_value(state, work);
}

/// An inner task at `level` (the root's children are at 1): gathers its children, which are leaves
/// at the last level, and returns their sum.
template <stackless_runtime Runtime, class Log, class Flight>
task<std::uint64_t> compute_branch(Runtime& runtime, const gather_case& given, std::uint32_t seed,
                                   Log& log, std::size_t level, std::size_t index, Flight) {
    const std::size_t first = index * given.fan_out;
    if (level + 1 == given.depth) {
        co_return sum_of(co_await runtime.gather(given.fan_out, [&, seed](std::size_t child) {
            return compute_leaf(runtime, leaf_state(seed, first + child),
                                given.work_of(first + child), log.enter());
        }));
    }
    co_return sum_of(co_await runtime.gather(given.fan_out, [&, seed](std::size_t child) {
        return compute_branch(runtime, given, seed, log, level + 1, first + child, log.enter());
    }));
}

template <direct_runtime Runtime, class Log, class Flight>
std::uint64_t compute_branch(Runtime& runtime, const gather_case& given, std::uint32_t seed,
                             Log& log, std::size_t level, std::size_t index, Flight) {
    const std::size_t first = index * given.fan_out;
    if (level + 1 == given.depth) {
        return sum_of(runtime.gather(given.fan_out, [&, seed](std::size_t child) {
            return compute_leaf(runtime, leaf_state(seed, first + child),
                                given.work_of(first + child), log.enter());
        }));
    }
    return sum_of(runtime.gather(given.fan_out, [&, seed](std::size_t child) {
        return compute_branch(runtime, given, seed, log, level + 1, first + child, log.enter());
    }));
}

/// Returns the values of the root's children, by index.
template <stackless_runtime Runtime, class Log>
task<std::vector<std::uint64_t>> compute_all(Runtime& runtime, const gather_case& given,
                                             std::uint32_t seed, Log& log) {
    if (given.depth == 1) {
        co_return co_await runtime.gather(given.fan_out, [&, seed](std::size_t index) {
            return compute_leaf(runtime, leaf_state(seed, index), given.work_of(index),
                                log.enter());
        });
    }
    co_return co_await runtime.gather(given.fan_out, [&, seed](std::size_t index) {
        return compute_branch(runtime, given, seed, log, 1, index, log.enter());
    });
}

template <direct_runtime Runtime, class Log>
std::vector<std::uint64_t> compute_all(Runtime& runtime, const gather_case& given,
                                       std::uint32_t seed, Log& log) {
    if (given.depth == 1) {
        return runtime.gather(given.fan_out, [&, seed](std::size_t index) {
            return compute_leaf(runtime, leaf_state(seed, index), given.work_of(index),
                                log.enter());
        });
    }
    return runtime.gather(given.fan_out, [&, seed](std::size_t index) {
        return compute_branch(runtime, given, seed, log, 1, index, log.enter());
    });
}

}  // namespace overlap::bench
