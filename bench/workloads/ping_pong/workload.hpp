// Ping_pong: what a run of it is, and what it has to show.
#pragma once

#include "bench/harness/backend_rows.hpp"
#include "bench/workloads/channels.hpp"
#include "bench/workloads/ping_pong/body.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace overlap::bench {

class ping_pong_workload : public workload_defaults<ping_pong_case, std::uint64_t> {
public:
    explicit ping_pong_workload(const ping_pong_case&) {}

    static constexpr const char* unit = "wake-up";
    static std::size_t work_items(const ping_pong_case& given) {
        return 2 * given.pairs * given.rounds;
    }
    static std::size_t result_count(const ping_pong_case& given) { return given.pairs; }
    static constexpr bool needs_all_in_flight = true;  // Players wait for each other.
    template <class Backend>
    static std::string cannot_run(const ping_pong_case&, const Backend&) {
        return makes_channels<typename Backend::runtime_type, ball> ? "" : no_channel;
    }
    static ping_pong_case warm_up(ping_pong_case given) {
        given.rounds = std::max(given.rounds / 10, 1U);
        return given;
    }

    template <class Runtime, class Log>
    auto root(Runtime& runtime, const ping_pong_case& given, std::uint32_t seed, Log& log) {
        if constexpr (makes_channels<Runtime, ball>) {
            return play_all(runtime, given, seed, log);
        } else {
            return play_none(runtime);
        }
    }
    static counters check(const ping_pong_case& given, std::uint32_t seed,
                          const std::vector<std::uint64_t>& states, double wall_s);

    static void add_rows(const ping_pong_case& given, const options& chosen,
                         std::vector<row>& into);
};

}  // namespace overlap::bench
