// Query: what a run of it is, and what it has to show.
#pragma once

#include "bench/workloads/client_workload.hpp"
#include "bench/workloads/query/body.hpp"

#include <cstdint>
#include <vector>

namespace overlap::bench {

class query_workload : public client_workload<query_case> {
public:
    using client_workload::client_workload;

    static constexpr const char* unit = "query";

    template <class Runtime, class Log>
    auto root(Runtime& runtime, const query_case& given, std::uint32_t seed, Log& log) {
        return query_all(runtime, given, seed, log);
    }
    counters check(const query_case& given, std::uint32_t seed,
                   const std::vector<std::uint64_t>& sums, double wall_s);

    static void add_rows(const query_case& given, const options& chosen, std::vector<row>& into);
};

}  // namespace overlap::bench
