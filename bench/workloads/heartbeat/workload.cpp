#include "bench/workloads/heartbeat/workload.hpp"

#include "bench/peers/peer_rows.hpp"

namespace overlap::bench {

void heartbeat_workload::add_rows(const heartbeat_case& spec, const options& chosen,
                                  std::vector<row>& into) {
    add_backend_rows<heartbeat_workload>(spec, chosen, into);
    add_peer_rows<heartbeat_workload>(spec, chosen, into);
}

}  // namespace overlap::bench
