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
template <stackless_runtime Runtime, class Flight>
task<std::uint64_t> wait_and_compute(Runtime& runtime, const mix_case& given, std::size_t index,
                                     Flight) {
    std::uint64_t sum = 0;
    for (std::size_t round = 0; round < given.rounds; ++round) {
        co_await runtime.sleep_until(runtime.now() + given.wait);
        sum += leaf_value(index * given.rounds + round, given.work);
    }
    co_return sum;
}

template <direct_runtime Runtime, class Flight>
std::uint64_t wait_and_compute(Runtime& runtime, const mix_case& given, std::size_t index, Flight) {
    std::uint64_t sum = 0;
    for (std::size_t round = 0; round < given.rounds; ++round) {
        runtime.sleep_until(runtime.now() + given.wait);
        sum += leaf_value(index * given.rounds + round, given.work);
    }
    return sum;
}

/// Returns the sum of each task, by index.
template <stackless_runtime Runtime, class Log>
task<std::vector<std::uint64_t>> mix_all(Runtime& runtime, const mix_case& given, Log& log) {
    co_return co_await runtime.gather(given.tasks, [&](std::size_t index) {
        return wait_and_compute(runtime, given, index, log.enter());
    });
}

template <direct_runtime Runtime, class Log>
std::vector<std::uint64_t> mix_all(Runtime& runtime, const mix_case& given, Log& log) {
    return runtime.gather(given.tasks, [&](std::size_t index) {
        return wait_and_compute(runtime, given, index, log.enter());
    });
}

}  // namespace overlap::bench
