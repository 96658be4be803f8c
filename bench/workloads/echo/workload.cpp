#include "bench/workloads/echo/workload.hpp"

#include "bench/peers/peer_rows.hpp"

#include <overlap/floor/echo_epoll.hpp>
#include <overlap/floor/echo_uring.hpp>

#include <algorithm>
#include <string>

namespace overlap::bench {

static_assert(workload<echo_workload>);

double echo_workload::expected_s(const echo_case& given, std::size_t) { return given.due_for_s(); }

echo_case echo_workload::warm_up(echo_case given) {
    given.messages = std::max<std::size_t>(given.messages / 10, 1);
    return given;
}

/// Processes end too soon.
bool echo_workload::has_memory(const echo_case& given, bool uses_processes) {
    return given.connections >= least_tasks_for_memory && !uses_processes;
}

echo_case echo_workload::for_memory(echo_case given, const memory_run& how) {
    given.connections = given.connections * how.quarters / 4;
    given.messages = 1;
    given.rate = 0;
    return given;
}

void echo_workload::begin(session& line, const echo_case& given, std::size_t task_limit) {
    line.ready_for_load(port_of(listener_), *load_of(given), task_limit);
}

counters echo_workload::check(const echo_case& given, std::uint32_t,
                              const std::vector<std::uint64_t>& echoed, double) {
    const std::uint64_t expected = given.messages * given.bytes;
    for (const std::uint64_t bytes : echoed) {
        if (bytes == expected) continue;
        throw wrong_result("a connection echoed " + std::to_string(bytes) + " bytes, expected " +
                           std::to_string(expected));
    }
    return {};
}

void echo_workload::add_rows(const echo_case& given, const options& chosen,
                             std::vector<row>& into) {
    const auto add_floor = [&](const backend_summary& which, auto serve) {
        add_floor_row<echo_workload>(given, which, chosen, into,
                                     [serve](auto& work, const echo_case& served, std::uint32_t) {
                                         return serve(work.listener(), served.connections,
                                                      served.buffer_size());
                                     });
    };
    if (given.deadline == nanoseconds(0)) {  // The floors have none.
        add_floor({"floor:uring", "uring", uring_loop::available()}, floor::echo_uring);
        add_floor({"floor:epoll", "epoll", {}}, floor::echo_epoll);
    }
    add_all_rows<echo_workload>(given, chosen, into);
}

}  // namespace overlap::bench
