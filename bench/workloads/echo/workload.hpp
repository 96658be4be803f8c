// Echo as a workload: what is run, and how its results are checked.
#pragma once

#include "bench/harness/backend_rows.hpp"
#include "bench/workloads/echo/body.hpp"

#include <overlap/core/socket.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace overlap::bench {

class echo_workload {
public:
    using case_type = echo_case;
    static constexpr const char* unit = "message";

    static const std::vector<echo_case>& cases(const specification& spec) { return spec.echo; }
    static void add_rows(const echo_case& spec, const options& chosen, std::vector<row>& into);

    using result = std::uint64_t;
    static std::size_t result_count(const echo_case& spec) { return spec.connections; }
    static nlohmann::json to_json(const echo_case& spec) {
        return {{"connections", spec.connections}, {"buffer_bytes", spec.buffer_size()}};
    }
    /// The load holds so many connections open until each of them has been served.
    static std::size_t least_in_flight(const echo_case&, std::size_t possible) { return possible; }
    static double least_lifetimes_s(const echo_case&) { return 0; }

    static std::size_t work_items(const echo_case& spec) {
        return spec.connections * spec.messages;
    }
    static std::size_t tasks(const echo_case& spec) { return spec.connections; }
    static std::size_t flights(const echo_case& spec) { return spec.connections; }
    static double expected_s(const echo_case&, std::size_t) { return 0; }

    static echo_case warm_up(echo_case spec) {
        spec.messages = std::max<std::size_t>(spec.messages / 10, 1);
        return spec;
    }
    static echo_case traced(const echo_case& spec) { return spec; }
    static echo_case cut_down(echo_case spec, const weighing& how) {
        spec.connections = spec.connections * how.quarters / 4;
        spec.messages = 1;
        return spec;
    }
    /// Processes end too soon to be weighed.
    static bool can_weigh(const echo_case& spec, bool uses_processes) {
        return spec.connections >= least_tasks_to_weigh && !uses_processes;
    }

    explicit echo_workload(const echo_case&)
        : listener_(open_listener(endpoint())), listener_descriptor_(listener_.get()) {}

    void begin(session& line, const echo_case& spec, std::size_t task_limit) {
        line.ready_for_load(port_of(listener_), spec.connections, spec.messages,
                            std::min(spec.connections, task_limit));
    }

    template <class Runtime, class Log>
    auto root(Runtime& runtime, const echo_case& spec, Log& log) {
        return serve_all(runtime, spec, listener_descriptor_, log);
    }

    [[nodiscard]] int listener() const noexcept { return listener_descriptor_; }

    static counters check(const echo_case& spec, const std::vector<std::uint64_t>& echoed, double) {
        if (echoed.size() != spec.connections) {
            throw wrong_result(std::to_string(echoed.size()) + " of " +
                               std::to_string(spec.connections) + " connections served");
        }
        const std::uint64_t expected = spec.messages * spec.bytes;
        for (const std::uint64_t bytes : echoed) {
            if (bytes != expected) {
                throw wrong_result("a connection echoed " + std::to_string(bytes) +
                                   " bytes, expected " + std::to_string(expected));
            }
        }
        return {};
    }

private:
    unique_descriptor listener_;
    const int listener_descriptor_;
};

/// The main program of bench_echo, with the backends of `Extra` (with_loop<my::loop>,
/// with_runtime<my::runtime>) beside the built-in ones. Returns the exit status.
template <class Extra = no_backends>
int run_echo(int argc, char** argv) {
    return run_workload<echo_workload, Extra>(argc, argv);
}

}  // namespace overlap::bench
