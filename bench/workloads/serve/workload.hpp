// Serve: what a run of it is, and what it has to show.
#pragma once

#include "bench/harness/backend_rows.hpp"
#include "bench/workloads/serve/body.hpp"

#include <overlap/core/socket.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace overlap::bench {

class serve_workload : public workload_defaults<serve_case, std::uint64_t> {
public:
    explicit serve_workload(const serve_case&)
        : listener_(open_listener(endpoint())), listener_descriptor_(listener_.get()) {}

    static constexpr const char* unit = "message";
    static std::size_t work_items(const serve_case& given) {
        return given.connections * given.messages;
    }
    /// The load holds so many connections open until each of them has been served.
    static std::size_t least_in_flight(const serve_case&, std::size_t possible) { return possible; }
    static double expected_s(const serve_case& given, std::size_t task_limit);
    static serve_case warm_up(serve_case given);

    static std::optional<server_load> load_of(const serve_case& given) {
        return server_load{given.connections, given.messages, given.bytes, given.rate,
                           given.arrivals,    given.work,     given.one_in};
    }
    void begin(session& line, const serve_case& given, std::size_t task_limit) {
        line.ready_for_load(port_of(listener_), *load_of(given), task_limit);
    }
    template <class Runtime, class Log>
    auto root(Runtime& runtime, const serve_case& given, std::uint32_t, Log& log) {
        return answer_all(runtime, given, listener_descriptor_, log);
    }
    static counters check(const serve_case& given, std::uint32_t,
                          const std::vector<std::uint64_t>& computed, double);

    static void add_rows(const serve_case& given, const options& chosen, std::vector<row>& into);

private:
    unique_descriptor listener_;
    const int listener_descriptor_;
};

}  // namespace overlap::bench
