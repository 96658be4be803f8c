// Gather: what a run of it is, and what it has to show.
#pragma once

#include "bench/harness/backend_rows.hpp"
#include "bench/workloads/gather/body.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace overlap::bench {

/// The results are those of the root's children.
class gather_workload : public workload_defaults<gather_case, std::uint64_t> {
public:
    explicit gather_workload(const gather_case&) {}

    static std::size_t result_count(const gather_case& given) { return given.fan_out; }
    static std::size_t leaf_count(const gather_case& given) { return given.leaves(); }
    static std::uint64_t expected_sum(const gather_case& given, std::uint32_t seed) {
        return leaf_oracle(seed, given.work).next_sum(given.leaves());
    }
    static bool has_memory(const gather_case& given, bool uses_processes);
    static gather_case for_memory(gather_case given, const memory_run& how);

    template <class Runtime, class Log>
    auto root(Runtime& runtime, const gather_case& given, std::uint32_t seed, Log& log) {
        return compute_all(runtime, given, seed, log);
    }
    static counters check(const gather_case& given, std::uint32_t seed,
                          const std::vector<std::uint64_t>& values, double) {
        expect_sums(values, given.leaves() / given.fan_out, seed, given.work);
        return {};
    }

    static void add_rows(const gather_case& given, const options& chosen, std::vector<row>& into);
};

}  // namespace overlap::bench
