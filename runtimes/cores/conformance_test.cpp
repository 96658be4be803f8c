// Every rule of runtimes on coroutines on two shards, as a test of its own.
#include <overlap/check/runtimes_on_loops.hpp>
#include <overlap/conformance/stackless_runtime_rules.hpp>
#include <overlap/conformance/testing/register_rules.hpp>
#include <overlap/cores/cores_coroutine.hpp>
#include <overlap/loops/epoll.hpp>
#include <overlap/loops/uring.hpp>

#include <gtest/gtest.h>

namespace overlap::conformance {

template <class Loop, dealing How>
struct fresh<cores_coroutine<Loop, How>> {
    template <class T>
    using task = overlap::task<T>;

    cores_coroutine<Loop, How> runtime{2};
};

}  // namespace overlap::conformance

namespace {

using namespace overlap;
using namespace overlap::conformance;

template <event_loop Loop, template <class> class Runtime>
void add() {
    register_rules(Runtime<Loop>::name(), stackless_runtime_rules<Runtime<Loop>>(),
                   Loop::available());
}

}  // namespace

int main(int count, char** arguments) {
    testing::InitGoogleTest(&count, arguments);
    add<epoll_loop, sharded_coroutine>();
    add<uring_loop, sharded_coroutine>();
    add<epoll_loop, stealing_coroutine>();
    add<uring_loop, stealing_coroutine>();
    return RUN_ALL_TESTS();
}
