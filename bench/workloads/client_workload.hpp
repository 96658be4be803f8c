// What a run has to show of the workloads that are clients of a server: how long it waits, the server's CPU time.
#pragma once

#include "bench/harness/backend_rows.hpp"
#include "bench/harness/servers.hpp"
#include "bench/workloads/client_case.hpp"

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>

namespace overlap::bench {

/// What one exchange waits at least: servers count milliseconds, and one may have begun before.
inline double waiting_s(const client_case& given) {
    constexpr nanoseconds grain = std::chrono::milliseconds(1);
    return std::chrono::duration<double>(std::max(given.delay - grain, nanoseconds(0))).count();
}

inline double waiting_of_task_s(const client_case& given) {
    return waiting_s(given) * static_cast<double>(given.exchanges);
}

template <std::derived_from<client_case> Case>
struct client_workload : workload_defaults<Case, std::uint64_t> {
    explicit client_workload(const Case& given) : meter_(given.server.process) {}

    static std::size_t work_items(const Case& given) { return given.connections * given.exchanges; }

    /// The waiting alone: what the server and the client take is to be measured.
    static double expected_s(const Case& given, std::size_t task_limit) {
        const std::size_t at_once = std::min(task_limit, given.connections);
        const std::size_t one_after_another = (given.connections + at_once - 1) / at_once;
        return waiting_of_task_s(given) * static_cast<double>(one_after_another);
    }
    static double least_spans_s(const Case& given) {
        return waiting_of_task_s(given) * static_cast<double>(given.connections);
    }
    /// Of tasks that wait for long the first has not ended when the last begins.
    static std::size_t least_in_flight(const Case& given, std::size_t possible) {
        constexpr std::size_t few = 100;
        constexpr double long_s = 0.05;
        return given.connections <= few && waiting_of_task_s(given) >= long_s ? possible : 1;
    }
    static Case warm_up(Case given) {
        given.exchanges = std::max<std::size_t>(given.exchanges / 10, 1);
        return given;
    }

    void before_run() { meter_.start(); }

protected:
    [[nodiscard]] counters servers_part(const Case& given) const {
        return meter_.since_start(work_items(given));
    }

private:
    server_meter meter_;
};

}  // namespace overlap::bench
