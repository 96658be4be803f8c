// The tours of both runtimes on a loop out of its shared library, and that of fibers on its class,
// if it has one.
#include "../coroutine/testing/tour.hpp"
#include "../fiber/testing/tour.hpp"

#include <overlap/plugin/dynamic_loop.hpp>
#include <overlap/plugin/load_loop.hpp>

#ifdef OVERLAP_LOOP_HEADER
#include OVERLAP_LOOP_HEADER
#endif

namespace overlap {

// Loaded before the tests below are registered, which ask for its name.
overlap_loop_table loaded_table = load_loop(OVERLAP_LOOP_MODULE);
using loaded = testing::Types<dynamic_loop<loaded_table>>;

INSTANTIATE_TYPED_TEST_SUITE_P(through_table, tour, loaded, loop_names);
INSTANTIATE_TYPED_TEST_SUITE_P(through_table, fiber_tour, loaded, fiber_loop_names);

#ifdef OVERLAP_LOOP_TYPE
using compiled = testing::Types<OVERLAP_LOOP_TYPE>;
INSTANTIATE_TYPED_TEST_SUITE_P(direct, fiber_tour, compiled, fiber_loop_names);
#endif

}  // namespace overlap
