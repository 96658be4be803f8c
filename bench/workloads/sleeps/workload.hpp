// Sleeps: what a run of it is, and what it has to show.
#pragma once

#include "bench/harness/backend_rows.hpp"
#include "bench/workloads/sleeps/body.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace overlap::bench {

class sleeps_workload : public workload_defaults<sleeps_case, std::int64_t> {
public:
    explicit sleeps_workload(const sleeps_case&) {}

    static double expected_s(const sleeps_case& given, std::size_t task_limit);
    static double least_spans_s(const sleeps_case& given) { return given.total_delay_s(); }
    static std::size_t least_in_flight(const sleeps_case& given, std::size_t possible);
    static sleeps_case warm_up(sleeps_case given);
    static bool has_memory(const sleeps_case& given, bool uses_processes);
    static sleeps_case for_memory(sleeps_case given, const memory_run& how);
    static bool can_stretch(const sleeps_case& given);

    template <class Runtime, class Log>
    auto root(Runtime& runtime, const sleeps_case& given, std::uint32_t, Log& log) {
        return sleep_all(runtime, given, log);
    }
    static counters check(const sleeps_case& given, std::uint32_t,
                          const std::vector<std::int64_t>& lateness, double wall_s);

    static void add_rows(const sleeps_case& given, const options& chosen, std::vector<row>& into);
};

}  // namespace overlap::bench
