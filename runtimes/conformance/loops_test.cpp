// Every rule on every built-in loop, each as a test of its own:
// conformance_poll.required_posts_run_in_order.
#include <overlap/conformance/allocations.hpp>
#include <overlap/conformance/loop_rules.hpp>
#include <overlap/conformance/testing/register_rules.hpp>
#include <overlap/loops/epoll.hpp>
#include <overlap/loops/poll.hpp>
#include <overlap/loops/uring.hpp>
#include <overlap/loops/virtual_time.hpp>

#include <gtest/gtest.h>
#include <span>
#include <string>
#include <string_view>

namespace {

using namespace overlap;
using namespace overlap::conformance;

/// The uring loop with the set-up that it falls back to on kernels before Linux 5.19.
struct uring_fallback_loop : uring_loop {
    static constexpr std::string_view name() { return "uring_fallback"; }
    uring_fallback_loop() : uring_loop(std::span(setups).last(1)) {}
};

template <event_loop Loop>
void add(const abilities& able) {
    register_rules(std::string(Loop::name()), loop_rules<Loop>(), Loop::available(), able);
}

}  // namespace

int main(int count, char** arguments) {
    testing::InitGoogleTest(&count, arguments);
    const abilities all{.counted_allocation = allocation_count != nullptr};
    add<poll_loop>(all);
    add<epoll_loop>(all);
    add<uring_loop>(all);
    add<uring_fallback_loop>(all);
    add<virtual_time_loop>({.io = false, .real_time = false});
    return RUN_ALL_TESTS();
}
