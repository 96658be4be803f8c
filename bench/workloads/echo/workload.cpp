#include "bench/workloads/echo/workload.hpp"

#include "bench/peers/peer_rows.hpp"

#include <overlap/floor/echo_epoll.hpp>
#include <overlap/floor/echo_uring.hpp>

namespace overlap::bench {

namespace {

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

}  // namespace

void echo_workload::add_rows(const echo_case& spec, const options& chosen, std::vector<row>& into) {
    add_floor_rows(spec, chosen, into);
    add_backend_rows<echo_workload>(spec, chosen, into);
    add_peer_rows<echo_workload>(spec, chosen, into);
}

}  // namespace overlap::bench
