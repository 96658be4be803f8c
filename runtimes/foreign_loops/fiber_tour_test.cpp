// The tour of fibers on a loop's class; that of coroutines comes with overlap_add_loop().
#include "../fiber/testing/tour.hpp"

#include OVERLAP_LOOP_HEADER

namespace overlap {

using compiled = testing::Types<OVERLAP_LOOP_TYPE>;
INSTANTIATE_TYPED_TEST_SUITE_P(direct, fiber_tour, compiled, fiber_loop_names);

}  // namespace overlap
