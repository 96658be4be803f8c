// Heartbeat: what a run of it is, and what it has to show.
#pragma once

#include "bench/harness/backend_rows.hpp"
#include "bench/workloads/heartbeat/body.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace overlap::bench {

class heartbeat_workload : public workload_defaults<heartbeat_case, pulse> {
public:
    explicit heartbeat_workload(const heartbeat_case&) {}

    static double expected_s(const heartbeat_case& given, std::size_t) { return given.beating_s(); }
    static double least_spans_s(const heartbeat_case& given) { return given.beating_s(); }
    static heartbeat_case warm_up(heartbeat_case given);

    template <class Runtime, class Log>
    auto root(Runtime& runtime, const heartbeat_case& given, std::uint32_t seed, Log& log) {
        return beat_and_compute(runtime, given, seed, log);
    }
    static counters check(const heartbeat_case& given, std::uint32_t seed,
                          const std::vector<pulse>& pulses, double wall_s);

    static void add_rows(const heartbeat_case& given, const options& chosen,
                         std::vector<row>& into);
};

}  // namespace overlap::bench
