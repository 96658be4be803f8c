// Every rule on every built-in loop, each as a test of its own:
// conformance_poll.required_posts_run_in_order.
#include <overlap/conformance/allocations.hpp>
#include <overlap/conformance/loop_rules.hpp>
#include <overlap/conformance/run_rule.hpp>
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
class rule_test : public testing::Test {
public:
    rule_test(const rule& which, const abilities& able) : rule_(which), able_(able) {}

    void TestBody() override {
        if (const availability available = Loop::available(); !available) {
            GTEST_SKIP() << "not available: " << available.reason;
        }
        const verdict result = run_rule(rule_, able_);
        if (result.what == outcome::not_applicable)
            GTEST_SKIP() << "not applicable: " << result.reason;
        EXPECT_TRUE(result.what == outcome::kept) << describe(rule_, result);
    }

private:
    rule rule_;
    abilities able_;
};

template <event_loop Loop>
void register_rules(const abilities& able) {
    const std::string suite = "conformance_" + std::string(Loop::name());
    for (const rule& each : loop_rules<Loop>()) {
        testing::RegisterTest(
            suite.c_str(), std::string(each.name).c_str(), nullptr, nullptr, __FILE__, __LINE__,
            [each, able]() -> testing::Test* { return new rule_test<Loop>(each, able); });
    }
}

}  // namespace

int main(int count, char** arguments) {
    testing::InitGoogleTest(&count, arguments);
    const bool counted = allocation_count != nullptr;
    register_rules<poll_loop>({.counted_allocation = counted});
    register_rules<epoll_loop>({.counted_allocation = counted});
    register_rules<uring_loop>({.counted_allocation = counted});
    register_rules<uring_fallback_loop>({.counted_allocation = counted});
    register_rules<virtual_time_loop>({.io = false, .real_time = false});
    return RUN_ALL_TESTS();
}
