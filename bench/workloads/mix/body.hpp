// The mix workload: tasks that wait and compute in turn, in any proportion.
#pragma once

#include "bench/workloads/computing.hpp"
#include "bench/workloads/mix/case.hpp"

#include <overlap/core/runtime.hpp>
#include <overlap/coroutine/task.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace overlap::bench {

/// Round r of task i waits, then computes the value of leaf i * rounds + r. Returns their sum.
/// The seed is handed on by value: workers that were forked before this run do not see what has
/// changed since.
template <stackless_runtime Runtime, class Flight>
task<std::uint64_t> wait_and_compute(Runtime& runtime, const mix_case& given, std::uint32_t seed,
                                     std::size_t index, Flight) {
    std::uint64_t sum = 0;
    for (std::size_t round = 0; round < given.rounds; ++round) {
        co_await runtime.sleep_until(runtime.now() + given.wait);
        sum += leaf_value(leaf_state(seed, index * given.rounds + round), given.work);
    }
    co_return sum;
}

template <direct_runtime Runtime, class Flight>
std::uint64_t wait_and_compute(Runtime& runtime, const mix_case& given, std::uint32_t seed,
                               std::size_t index, Flight) {
    std::uint64_t sum = 0;
    for (std::size_t round = 0; round < given.rounds; ++round) {
        runtime.sleep_until(runtime.now() + given.wait);
        sum += leaf_value(leaf_state(seed, index * given.rounds + round), given.work);
    }
    return sum;
}

/// Returns the sum of each task, by index.
template <stackless_runtime Runtime, class Log>
task<std::vector<std::uint64_t>> mix_all(Runtime& runtime, const mix_case& given,
                                         std::uint32_t seed, Log& log) {
    co_return co_await runtime.gather(given.tasks, [&, seed](std::size_t index) {
        return wait_and_compute(runtime, given, seed, index, log.enter());
    });
}

template <direct_runtime Runtime, class Log>
std::vector<std::uint64_t> mix_all(Runtime& runtime, const mix_case& given, std::uint32_t seed,
                                   Log& log) {
    return runtime.gather(given.tasks, [&, seed](std::size_t index) {
        return wait_and_compute(runtime, given, seed, index, log.enter());
    });
}

}  // namespace overlap::bench
