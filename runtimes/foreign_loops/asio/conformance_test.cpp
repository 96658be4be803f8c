// Every rule on asio, as a class and through the C table:
// conformance_asio_loop.required_posts_run_in_order.
#include "../testing/every_rule.hpp"

#include <overlap/foreign_loops/asio/asio_loop.hpp>
#include <overlap/plugin/dynamic_loop.hpp>

#include <gtest/gtest.h>

namespace {

using namespace overlap;
using namespace overlap::conformance;

// Not a constant, so that the compiler cannot see through the calls.
overlap_loop_table table = table_of<asio_loop>;

}  // namespace

int main(int count, char** arguments) {
    testing::InitGoogleTest(&count, arguments);
    const abilities all{.counted_allocation = allocation_count != nullptr};
    register_every_rule<asio_loop>(all);
    register_every_rule<dynamic_loop<table>>(all, "_through_table");
    return RUN_ALL_TESTS();
}
