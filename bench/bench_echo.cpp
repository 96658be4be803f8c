#include "bench/echo.hpp"
#include "bench/measure_backend.hpp"
#include "bench/suite.hpp"

#include <overlap/core/socket.hpp>
#include <overlap/floor/echo_epoll.hpp>
#include <overlap/floor/echo_uring.hpp>

#include <algorithm>

namespace overlap::bench {

namespace {

class echo_workload {
public:
    using case_type = echo_case;
    static constexpr const char* unit = "message";

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
    static echo_case cut_down(echo_case spec, std::size_t quarters) {
        spec.connections = spec.connections * quarters / 4;
        spec.messages = 1;
        return spec;
    }
    /// Processes end too soon to be weighed.
    static bool can_weigh(const echo_case& spec, bool uses_processes) {
        return spec.connections >= least_tasks_to_weigh && !uses_processes;
    }

    explicit echo_workload(const echo_case&)
        : listener_(open_listener(endpoint())), listener_descriptor_(listener_.get()) {}

    void begin(session& line, const echo_case& spec) {
        line.ready_for_load(port_of(listener_), spec.connections, spec.messages);
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

template <class Serve>
row floor_row(const echo_case& spec, const std::string& name, Serve serve) {
    row made = plain_row<echo_workload>(spec, name);
    made.can_weigh = echo_workload::can_weigh(spec, false);
    made.body = floor_body_of<echo_workload>(spec, [serve](auto& work, const echo_case& which) {
        return serve(work.listener(), which.connections, which.buffer_size());
    });
    return made;
}

void add_floor_rows(const echo_case& spec, const options& chosen, std::vector<row>& into) {
    const auto wanted = [&](std::string_view loop, const std::string& name) {
        return chosen.wants(loop, "floor") || chosen.wants(loop, name);
    };
    if (wanted("uring", "floor:uring")) {
        into.push_back(floor_row(spec, "floor:uring", floor::echo_uring));
        const availability here = uring_loop::available();
        if (!here) into.back().skip = "not available: " + here.reason;
    }
    if (wanted("epoll", "floor:epoll")) {
        into.push_back(floor_row(spec, "floor:epoll", floor::echo_epoll));
    }
}

std::vector<row> make_rows(const specification& spec, const options& chosen) {
    std::vector<row> rows;
    for (const auto& each : spec.echo) {
        add_floor_rows(each, chosen, rows);
        add_backend_rows<echo_workload>(each, chosen, rows);
        for (row& made : rows) {
            if (made.case_name == each.name) made.message_bytes = each.bytes;
        }
    }
    return rows;
}

}  // namespace

}  // namespace overlap::bench

int main(int argc, char** argv) {
    using namespace overlap::bench;
    return run_suite(argc, argv, echo_case::workload, make_rows);
}
