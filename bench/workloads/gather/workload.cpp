#include "bench/workloads/gather/workload.hpp"

#include "bench/peers/peer_rows.hpp"

#include <overlap/core/cores.hpp>
#include <overlap/floor/gather.hpp>

namespace overlap::bench {

namespace {

/// Work from which a thread more is worth its start, which takes some tens of microseconds.
constexpr std::uint64_t steps_worth_a_thread = 1'000'000;

row floor_row(const gather_case& spec) {
    row made = plain_row<gather_workload>(spec, "floor");
    made.can_weigh = gather_workload::can_weigh(spec, false);
    made.body = floor_body_of<gather_workload>(spec, [](auto&, const gather_case& which) {
        const auto leaf = [&](std::size_t index) { return leaf_value(index, which.work); };
        const bool threads_pay = which.leaves() * which.work >= steps_worth_a_thread;
        const std::size_t threads = threads_pay ? available_cores() : 1;
        if (which.depth == 1) return floor::gather(which.fan_out, leaf, threads);
        const auto branch = [&](std::size_t index) {
            return floor::sum_tree(which.fan_out, which.depth - 1, index, leaf);
        };
        return floor::gather(which.fan_out, branch, threads);
    });
    return made;
}

}  // namespace

void gather_workload::add_rows(const gather_case& spec, const options& chosen,
                               std::vector<row>& into) {
    if (chosen.wants("", "floor")) into.push_back(floor_row(spec));
    add_backend_rows<gather_workload>(spec, chosen, into);
    add_peer_rows<gather_workload>(spec, chosen, into);
}

}  // namespace overlap::bench
