// Every rule of runtimes on the coroutine runtime, on each loop, as a test of its own:
// conformance_coroutine:epoll.required_gathers_nest.
#include <overlap/check/runtimes_on_loops.hpp>
#include <overlap/conformance/stackless_runtime_rules.hpp>
#include <overlap/conformance/testing/register_rules.hpp>
#include <overlap/coroutine/coroutine.hpp>
#include <overlap/loops/epoll.hpp>
#include <overlap/loops/poll.hpp>
#include <overlap/loops/uring.hpp>

#include <gtest/gtest.h>
#include <string>
#include <utility>

namespace {

using namespace overlap;
using namespace overlap::conformance;

template <event_loop Loop>
void add() {
    register_rules(coroutine<Loop>::name(), stackless_runtime_rules<coroutine<Loop>>(),
                   Loop::available());
}

}  // namespace

int main(int count, char** arguments) {
    testing::InitGoogleTest(&count, arguments);
    add<poll_loop>();
    add<epoll_loop>();
    add<uring_loop>();
    return RUN_ALL_TESTS();
}
