// The making of the runtimes that every workload is measured on.
#include "bench/harness/backends.hpp"

#include "bench/harness/plugged_loop.hpp"

namespace overlap::bench {

OVERLAP_BUILT_IN_BACKENDS(template struct);
OVERLAP_PLUGGED_BACKENDS(template struct);

}  // namespace overlap::bench
