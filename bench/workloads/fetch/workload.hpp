// Fetch: what a run of it is, and what it has to show.
#pragma once

#include "bench/workloads/client_workload.hpp"
#include "bench/workloads/fetch/body.hpp"

#include <cstdint>
#include <vector>

namespace overlap::bench {

class fetch_workload : public client_workload<fetch_case> {
public:
    using client_workload::client_workload;

    static constexpr const char* unit = "request";

    template <class Runtime, class Log>
    auto root(Runtime& runtime, const fetch_case& given, std::uint32_t seed, Log& log) {
        return fetch_all(runtime, given, seed, log);
    }
    counters check(const fetch_case& given, std::uint32_t seed,
                   const std::vector<std::uint64_t>& sums, double wall_s);

    static void add_rows(const fetch_case& given, const options& chosen, std::vector<row>& into);
};

}  // namespace overlap::bench
