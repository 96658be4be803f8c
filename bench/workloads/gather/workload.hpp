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
    explicit gather_workload(const gather_case& given)
        : expected_(leaf_sums(given.fan_out, given.leaves() / given.fan_out, given.work)) {}

    static std::size_t result_count(const gather_case& given) { return given.fan_out; }
    static bool has_memory(const gather_case& given, bool uses_processes);
    static gather_case for_memory(gather_case given, const memory_run& how);

    template <class Runtime, class Log>
    auto root(Runtime& runtime, const gather_case& given, Log& log) {
        return compute_all(runtime, given, log);
    }
    [[nodiscard]] counters check(const gather_case&, const std::vector<std::uint64_t>& values,
                                 double) const {
        expect_values(values, expected_);
        return {};
    }

    static void add_rows(const gather_case& given, const options& chosen, std::vector<row>& into);

private:
    std::vector<std::uint64_t> expected_;
};

}  // namespace overlap::bench
