// The tour on every built-in loop: the same output on each.
#include "testing/tour.hpp"

namespace overlap {

INSTANTIATE_TYPED_TEST_SUITE_P(coroutine, tour, all_loops, loop_names);

}  // namespace overlap
