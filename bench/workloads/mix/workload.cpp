#include "bench/workloads/mix/workload.hpp"

#include "bench/peers/peer_rows.hpp"

#include <algorithm>

namespace overlap::bench {

static_assert(workload<mix_workload>);

/// The waiting alone: computing is left out, since how long it takes is to be measured.
double mix_workload::expected_s(const mix_case& given, std::size_t task_limit) {
    const std::size_t at_once = std::min(task_limit, given.tasks);
    const std::size_t one_after_another = (given.tasks + at_once - 1) / at_once;
    return given.waiting_s() * static_cast<double>(one_after_another);
}

mix_case mix_workload::warm_up(mix_case given) {
    given.wait = nanoseconds(0);
    return given;
}

counters mix_workload::check(const mix_case& given, std::uint32_t seed,
                             const std::vector<std::uint64_t>& sums, double wall_s) {
    expect_sums(sums, given.rounds, leaf_oracle(seed, given.work));
    if (wall_s < given.waiting_s()) {
        throw wrong_result("all tasks were done before one could have waited");
    }
    return {};
}

void mix_workload::add_rows(const mix_case& given, const options& chosen, std::vector<row>& into) {
    add_all_rows<mix_workload>(given, chosen, into);
}

}  // namespace overlap::bench
