#include "bench/workloads/gather/workload.hpp"

#include "bench/peers/peer_rows.hpp"

#include <overlap/core/cores.hpp>
#include <overlap/floor/gather.hpp>

namespace overlap::bench {

static_assert(workload<gather_workload>);

namespace {

/// Work from which a thread more is worth its start, which takes some tens of microseconds.
constexpr std::uint64_t steps_worth_a_thread = 1'000'000;

/// So that shares have the same work, as far as whole leaves allow: written by hand, one knows the work.
std::size_t first_leaf_of_share(const gather_case& given, std::size_t part, std::size_t parts) {
    const std::size_t heavy = given.heavy_leaves * given.skew;
    const std::size_t before = (heavy + given.leaves() - given.heavy_leaves) * part / parts;
    return before < heavy ? before / given.skew : given.heavy_leaves + before - heavy;
}

std::vector<std::uint64_t> run_floor(const gather_case& given, std::uint32_t seed) {
    const auto leaf = [&, seed](std::size_t index) {
        return leaf_value(leaf_state(seed, index), given.work_of(index));
    };
    const bool threads_pay = given.leaves() * given.work >= steps_worth_a_thread;
    const std::size_t threads = threads_pay ? available_cores() : 1;
    if (given.depth == 1) {
        return floor::gather(given.fan_out, leaf, threads,
                             [&](std::size_t part, std::size_t parts) {
                                 return first_leaf_of_share(given, part, parts);
                             });
    }
    const auto branch = [&](std::size_t index) {
        return floor::sum_tree(given.fan_out, given.depth - 1, index, leaf);
    };
    return floor::gather(given.fan_out, branch, threads);
}

}  // namespace

/// A tree does not come in quarters, and processes end too soon.
bool gather_workload::has_memory(const gather_case& given, bool uses_processes) {
    return given.depth == 1 && given.fan_out >= least_tasks_for_memory && !uses_processes;
}

gather_case gather_workload::for_memory(gather_case given, const memory_run& how) {
    given.fan_out = given.fan_out * how.quarters / 4;
    given.count_heavy_leaves();
    return given;
}

void gather_workload::add_rows(const gather_case& given, const options& chosen,
                               std::vector<row>& into) {
    add_floor_row<gather_workload>(
        given, {"floor", "", {}}, chosen, into,
        [](auto&, const gather_case& which, std::uint32_t seed) { return run_floor(which, seed); });
    add_all_rows<gather_workload>(given, chosen, into);
}

}  // namespace overlap::bench
