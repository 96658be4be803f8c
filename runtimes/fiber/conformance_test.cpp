// The rules of every direct runtime, on fibers: conformance_fiber:epoll.required_gathers_nest.
#include <overlap/check/runtimes_on_loops.hpp>
#include <overlap/conformance/direct_runtime_rules.hpp>
#include <overlap/conformance/testing/register_rules.hpp>
#include <overlap/fiber/fiber.hpp>
#include <overlap/loops/epoll.hpp>
#include <overlap/loops/poll.hpp>
#include <overlap/loops/uring.hpp>

#include <gtest/gtest.h>
#include <string>

namespace {

using namespace overlap;
using namespace overlap::conformance;

template <event_loop Loop>
void add() {
    register_rules(fiber<Loop>::name(), direct_runtime_rules<fiber<Loop>>(), Loop::available());
}

}  // namespace

int main(int count, char** arguments) {
    testing::InitGoogleTest(&count, arguments);
    add<poll_loop>();
    add<epoll_loop>();
    add<uring_loop>();
    return RUN_ALL_TESTS();
}
