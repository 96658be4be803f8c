// The tours of both runtimes on a loop out of its shared library.
#include "../coroutine/testing/tour.hpp"
#include "../fiber/testing/tour.hpp"

#include <overlap/plugin/dynamic_loop.hpp>
#include <overlap/plugin/load_loop.hpp>

/// The library's path, from a source file of each program.
extern const char* const loop_module;

namespace overlap {

// Loaded before the tests below are registered, which ask for its name.
overlap_loop_table loaded_table = load_loop(loop_module);
using loaded = testing::Types<dynamic_loop<loaded_table>>;

INSTANTIATE_TYPED_TEST_SUITE_P(through_table, tour, loaded, loop_names);
INSTANTIATE_TYPED_TEST_SUITE_P(through_table, fiber_tour, loaded, fiber_loop_names);

}  // namespace overlap
