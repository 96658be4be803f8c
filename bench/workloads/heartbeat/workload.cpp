#include "bench/workloads/heartbeat/workload.hpp"

#include "bench/peers/peer_rows.hpp"

#include <algorithm>

namespace overlap::bench {

static_assert(workload<heartbeat_workload>);

heartbeat_case heartbeat_workload::warm_up(heartbeat_case given) {
    given.beats = 1;
    given.parts = 1;
    given.work /= 100;
    return given;
}

counters heartbeat_workload::check(const heartbeat_case& given, std::uint32_t seed,
                                   const std::vector<pulse>& pulses, double wall_s) {
    std::vector<std::uint64_t> values(pulses.size() - 1);  // Of all but the one that beats.
    std::transform(pulses.begin() + 1, pulses.end(), values.begin(),
                   [](const pulse& each) { return each.value; });
    expect_sums(values, given.parts, leaf_oracle(seed, given.work));
    const pulse& heart = pulses.front();
    if (heart.mean_gap < given.interval.count() || wall_s < given.beating_s()) {
        throw wrong_result("the heart beat faster than its interval");
    }
    return {{"gap_max_s", static_cast<double>(heart.longest_gap) * 1e-9},
            {"gap_mean_s", static_cast<double>(heart.mean_gap) * 1e-9}};
}

void heartbeat_workload::add_rows(const heartbeat_case& given, const options& chosen,
                                  std::vector<row>& into) {
    add_all_rows<heartbeat_workload>(given, chosen, into);
}

}  // namespace overlap::bench
