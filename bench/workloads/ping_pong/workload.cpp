#include "bench/workloads/ping_pong/workload.hpp"

#include "bench/peers/peer_rows.hpp"

namespace overlap::bench {

static_assert(workload<ping_pong_workload>);

/// A ball has gone through both players' hands in each round.
counters ping_pong_workload::check(const ping_pong_case& given, std::uint32_t seed,
                                   const std::vector<std::uint64_t>& states, double /*wall_s*/) {
    expect_sums(states, 1, leaf_oracle(seed, 2 * given.rounds));
    return {};
}

void ping_pong_workload::add_rows(const ping_pong_case& given, const options& chosen,
                                  std::vector<row>& into) {
    add_all_rows<ping_pong_workload>(given, chosen, into);
}

}  // namespace overlap::bench
