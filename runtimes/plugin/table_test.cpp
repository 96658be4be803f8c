// Every rule on every built-in loop, and on the runtimes on it, with all calls going through the C
// table: conformance_epoll_through_table.required_posts_run_in_order.
#include <overlap/check/runtimes_on_loops.hpp>
#include <overlap/conformance/allocations.hpp>
#include <overlap/conformance/direct_runtime_rules.hpp>
#include <overlap/conformance/loop_rules.hpp>
#include <overlap/conformance/stackless_runtime_rules.hpp>
#include <overlap/conformance/testing/register_rules.hpp>
#include <overlap/coroutine/coroutine.hpp>
#include <overlap/fiber/fiber.hpp>
#include <overlap/loops/epoll.hpp>
#include <overlap/loops/poll.hpp>
#include <overlap/loops/uring.hpp>
#include <overlap/loops/virtual_time.hpp>
#include <overlap/plugin/dynamic_loop.hpp>

#include <gtest/gtest.h>
#include <string>

namespace {

using namespace overlap;
using namespace overlap::conformance;

// Not constants, so that the compiler cannot see through the calls.
overlap_loop_table poll_table = table_of<poll_loop>;
overlap_loop_table epoll_table = table_of<epoll_loop>;
overlap_loop_table uring_table = table_of<uring_loop>;
overlap_loop_table virtual_time_table = table_of<virtual_time_loop>;

template <event_loop Loop>
void add_loop(const abilities& able) {
    register_rules(std::string(Loop::name()) + "_through_table", loop_rules<Loop>(),
                   Loop::available(), able);
}

template <event_loop Loop>
void add() {
    add_loop<Loop>({.counted_allocation = allocation_count != nullptr});
    register_rules(coroutine<Loop>::name() + "_through_table",
                   stackless_runtime_rules<coroutine<Loop>>(), Loop::available());
    register_rules(fiber<Loop>::name() + "_through_table", direct_runtime_rules<fiber<Loop>>(),
                   Loop::available());
}

}  // namespace

int main(int count, char** arguments) {
    testing::InitGoogleTest(&count, arguments);
    add<dynamic_loop<poll_table>>();
    add<dynamic_loop<epoll_table>>();
    add<dynamic_loop<uring_table>>();
    add_loop<dynamic_loop<virtual_time_table>>({.io = false, .real_time = false});
    return RUN_ALL_TESTS();
}
