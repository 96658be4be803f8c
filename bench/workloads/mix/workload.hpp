// Mix: what a run of it is, and what it has to show.
#pragma once

#include "bench/harness/backend_rows.hpp"
#include "bench/workloads/mix/body.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace overlap::bench {

class mix_workload : public workload_defaults<mix_case, std::uint64_t> {
public:
    explicit mix_workload(const mix_case&) {}

    static double expected_s(const mix_case& given, std::size_t task_limit);
    static double least_spans_s(const mix_case& given) {
        return given.waiting_s() * static_cast<double>(given.tasks);
    }
    static mix_case warm_up(mix_case given);

    template <class Runtime, class Log>
    auto root(Runtime& runtime, const mix_case& given, std::uint32_t seed, Log& log) {
        return mix_all(runtime, given, seed, log);
    }
    static counters check(const mix_case& given, std::uint32_t seed,
                          const std::vector<std::uint64_t>& sums, double wall_s);

    static void add_rows(const mix_case& given, const options& chosen, std::vector<row>& into);
};

}  // namespace overlap::bench
