// Echo: what a run of it is, and what it has to show.
#pragma once

#include "bench/harness/backend_rows.hpp"
#include "bench/workloads/echo/body.hpp"

#include <overlap/core/socket.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <vector>

namespace overlap::bench {

class echo_workload : public workload_defaults<echo_case, std::uint64_t> {
public:
    explicit echo_workload(const echo_case&)
        : listener_(open_listener(endpoint())), listener_descriptor_(listener_.get()) {}

    static constexpr const char* unit = "message";
    static std::size_t work_items(const echo_case& given) {
        return given.connections * given.messages;
    }
    /// The load holds so many connections open until each of them has been served.
    static std::size_t least_in_flight(const echo_case&, std::size_t possible) { return possible; }
    static double expected_s(const echo_case& given, std::size_t task_limit);
    static echo_case warm_up(echo_case given);
    static bool has_memory(const echo_case& given, bool uses_processes);
    static echo_case for_memory(echo_case given, const memory_run& how);

    static std::optional<server_load> load_of(const echo_case& given) {
        return server_load{given.connections, given.messages, given.bytes, given.rate,
                           given.arrivals};
    }
    /// Peers that do not know deadlines must not leave them out.
    static const char* asked_of_peers(const echo_case& given) {
        return given.deadline == nanoseconds(0) ? "echo" : "echo_with_deadlines";
    }
    void begin(session& line, const echo_case& given, std::size_t task_limit);
    template <class Runtime, class Log>
    auto root(Runtime& runtime, const echo_case& given, std::uint32_t, Log& log) {
        if (given.deadline == nanoseconds(0)) {
            return serve_all(runtime, given, listener_descriptor_, log);
        }
        if constexpr (timed_runtime<Runtime>) {
            return serve_all_in_time(runtime, given, listener_descriptor_, log);
        } else {
            throw std::runtime_error("no workload: the runtime has no reads with a deadline");
        }
    }
    [[nodiscard]] int listener() const noexcept { return listener_descriptor_; }
    static counters check(const echo_case& given, std::uint32_t,
                          const std::vector<std::uint64_t>& echoed, double);

    static void add_rows(const echo_case& given, const options& chosen, std::vector<row>& into);

private:
    unique_descriptor listener_;
    const int listener_descriptor_;
};

}  // namespace overlap::bench
