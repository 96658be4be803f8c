#include "bench/mix_suite.hpp"

namespace overlap::bench {

void mix_workload::add_rows(const mix_case& spec, const options& chosen, std::vector<row>& into) {
    add_backend_rows<mix_workload>(spec, chosen, into);
}

}  // namespace overlap::bench
