// Fetch: what a run of it is, and what it has to show.
#pragma once

#include "bench/harness/backend_rows.hpp"
#include "bench/workloads/fetch/body.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace overlap::bench {

class fetch_workload : public workload_defaults<fetch_case, std::uint64_t> {
public:
    explicit fetch_workload(const fetch_case& given) : server_(given.server) {}

    static constexpr const char* unit = "request";
    static std::size_t work_items(const fetch_case& given) {
        return given.connections * given.requests;
    }
    static double expected_s(const fetch_case& given, std::size_t task_limit);
    static double least_spans_s(const fetch_case& given);
    static std::size_t least_in_flight(const fetch_case& given, std::size_t possible);
    static fetch_case warm_up(fetch_case given);

    /// Notes what the server has used so far.
    void before_run();
    template <class Runtime, class Log>
    auto root(Runtime& runtime, const fetch_case& given, std::uint32_t seed, Log& log) {
        return fetch_all(runtime, given, seed, log);
    }
    counters check(const fetch_case& given, std::uint32_t seed,
                   const std::vector<std::uint64_t>& sums, double wall_s);

    static void add_rows(const fetch_case& given, const options& chosen, std::vector<row>& into);

private:
    http_server server_;
    double servers_cpu_s_ = 0;  ///< Before the run.
};

}  // namespace overlap::bench
