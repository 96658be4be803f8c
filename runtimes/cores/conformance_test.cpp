// Every rule of runtimes on coroutines and fibers on two shards, as a test of its own.
#include <overlap/check/runtimes_on_loops.hpp>
#include <overlap/conformance/direct_runtime_rules.hpp>
#include <overlap/conformance/stackless_runtime_rules.hpp>
#include <overlap/conformance/testing/register_rules.hpp>
#include <overlap/cores/cores_coroutine.hpp>
#include <overlap/cores/sharded_fiber.hpp>
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

template <class Loop>
struct fresh<sharded_fiber<Loop>> {
    sharded_fiber<Loop> runtime{2};
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

template <event_loop Loop>
void add_fibers() {
    using runtime = sharded_fiber<Loop>;
    register_rules(runtime::name(), direct_runtime_rules<runtime>(), Loop::available());
}

}  // namespace

int main(int count, char** arguments) {
    testing::InitGoogleTest(&count, arguments);
    add<epoll_loop, sharded_coroutine>();
    add<uring_loop, sharded_coroutine>();
    add<epoll_loop, stealing_coroutine>();
    add<uring_loop, stealing_coroutine>();
    add_fibers<epoll_loop>();
    add_fibers<uring_loop>();
    return RUN_ALL_TESTS();
}
