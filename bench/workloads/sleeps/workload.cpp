#include "bench/workloads/sleeps/workload.hpp"

#include "bench/peers/peer_rows.hpp"

#include <overlap/floor/sleeps.hpp>

namespace overlap::bench {

namespace {

row floor_row(const sleeps_case& spec) {
    row made = plain_row<sleeps_workload>(spec, "floor");
    made.expected_s = sleeps_workload::expected_s(spec, unlimited);
    made.can_weigh = sleeps_workload::can_weigh(spec, false);
    made.body = floor_body_of<sleeps_workload>(spec, [](auto&, const sleeps_case& which) {
        return floor::sleeps(which.tasks, [&](std::size_t index) { return which.delay(index); });
    });
    return made;
}

}  // namespace

void sleeps_workload::add_rows(const sleeps_case& spec, const options& chosen,
                               std::vector<row>& into) {
    if (chosen.wants("", "floor")) into.push_back(floor_row(spec));
    add_backend_rows<sleeps_workload>(spec, chosen, into);
    add_peer_rows<sleeps_workload>(spec, chosen, into);
}

}  // namespace overlap::bench
