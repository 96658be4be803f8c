#include "bench/workloads/mix/workload.hpp"

#include "bench/peers/peer_rows.hpp"

namespace overlap::bench {

void mix_workload::add_rows(const mix_case& spec, const options& chosen, std::vector<row>& into) {
    add_backend_rows<mix_workload>(spec, chosen, into);
    add_peer_rows<mix_workload>(spec, chosen, into);
}

}  // namespace overlap::bench
