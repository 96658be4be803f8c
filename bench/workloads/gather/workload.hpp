// Gather: what a run of it is, and what it has to show.
#pragma once

#include "bench/harness/backend_rows.hpp"
#include "bench/workloads/gather/body.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace overlap::bench {

/// What the leaves of a case come to, those with more work first.
class gather_oracle {
public:
    gather_oracle(const gather_case& given, std::uint32_t seed) noexcept
        : heavy_left_(given.heavy_leaves), heavy_(seed, given.work_of(0)),
          others_(leaf_state(seed, given.heavy_leaves), given.work) {}

    std::uint64_t next_sum(std::size_t leaves) noexcept {
        const std::size_t heavy = std::min(leaves, heavy_left_);
        heavy_left_ -= heavy;
        return heavy_.next_sum(heavy) + others_.next_sum(leaves - heavy);
    }

private:
    std::size_t heavy_left_;
    leaf_oracle heavy_;
    leaf_oracle others_;
};

/// The results are those of the root's children.
class gather_workload : public workload_defaults<gather_case, std::uint64_t> {
public:
    explicit gather_workload(const gather_case&) {}

    static std::size_t result_count(const gather_case& given) { return given.fan_out; }
    static std::size_t leaf_count(const gather_case& given) { return given.leaves(); }
    static std::uint64_t expected_sum(const gather_case& given, std::uint32_t seed) {
        return gather_oracle(given, seed).next_sum(given.leaves());
    }
    static bool has_memory(const gather_case& given, bool uses_processes);
    static gather_case for_memory(gather_case given, const memory_run& how);

    template <class Runtime, class Log>
    auto root(Runtime& runtime, const gather_case& given, std::uint32_t seed, Log& log) {
        return compute_all(runtime, given, seed, log);
    }
    static counters check(const gather_case& given, std::uint32_t seed,
                          const std::vector<std::uint64_t>& values, double) {
        expect_sums(values, given.leaves() / given.fan_out, gather_oracle(given, seed));
        return {};
    }

    static void add_rows(const gather_case& given, const options& chosen, std::vector<row>& into);
};

}  // namespace overlap::bench
