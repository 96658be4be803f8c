// Every rule of runtimes on coroutines and fibers on two shards, as a test of its own.
#include <overlap/check/runtimes_on_loops.hpp>
#include <overlap/conformance/direct_runtime_rules.hpp>
#include <overlap/conformance/runtime_rules_cores.hpp>
#include <overlap/conformance/stackless_runtime_rules.hpp>
#include <overlap/conformance/testing/register_rules.hpp>
#include <overlap/core/sanitizers.hpp>
#include <overlap/cores/cores_coroutine.hpp>
#include <overlap/cores/sharded_fiber.hpp>
#include <overlap/loops/epoll.hpp>
#include <overlap/loops/uring.hpp>

#include <concepts>
#include <gtest/gtest.h>
#include <vector>

namespace overlap::conformance {

template <class Loop, dealing How>
struct fresh<cores_coroutine<Loop, How>> : fresh_on_cores<cores_coroutine<Loop, How>, 2> {
    template <class T>
    using task = overlap::task<T>;
};

template <class Loop>
struct fresh<sharded_fiber<Loop>> : fresh_on_cores<sharded_fiber<Loop>, 2> {};

}  // namespace overlap::conformance

namespace {

using namespace overlap;
using namespace overlap::conformance;

/// ThreadSanitizer does not see that io_uring closes a descriptor, and takes who has its number next on
/// another thread for a race.
template <event_loop Loop, class Runtime>
void add_cores() {
    std::vector<rule> rules = runtime_cores_rules<Runtime>();
    if (thread_sanitizer && std::same_as<Loop, uring_loop>) {
        std::erase_if(rules, [](const rule& each) {
            return each.name == "required_numbers_of_descriptors_pass_from_thread_to_thread";
        });
    }
    register_rules(Runtime::name(), rules, Loop::available());
}

template <event_loop Loop, template <class> class Runtime>
void add() {
    using runtime = Runtime<Loop>;
    register_rules(runtime::name(), stackless_runtime_rules<runtime>(), Loop::available());
    add_cores<Loop, runtime>();
}

template <event_loop Loop>
void add_fibers() {
    using runtime = sharded_fiber<Loop>;
    register_rules(runtime::name(), direct_runtime_rules<runtime>(), Loop::available());
    add_cores<Loop, runtime>();
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
