// The rules of every direct runtime, on fibers: conformance_fiber:epoll.required_gathers_nest.
#include <overlap/conformance/direct_runtime_rules.hpp>
#include <overlap/conformance/run_rule.hpp>
#include <overlap/fiber/fiber.hpp>
#include <overlap/loops/epoll.hpp>
#include <overlap/loops/poll.hpp>
#include <overlap/loops/uring.hpp>

#include <gtest/gtest.h>
#include <string>

namespace overlap::conformance {

template <class Loop>
struct fresh<fiber<Loop>> {
    Loop loop;
    fiber<Loop> runtime{loop};
};

}  // namespace overlap::conformance

namespace {

using namespace overlap;
using namespace overlap::conformance;

class rule_test : public testing::Test {
public:
    rule_test(const rule& which, availability (*can)() noexcept) : rule_(which), can_(can) {}

    void TestBody() override {
        if (const availability can = can_(); !can) GTEST_SKIP() << can.reason;
        const verdict result = run_rule(rule_);
        EXPECT_EQ(result.what, outcome::kept) << describe(rule_, result);
    }

private:
    rule rule_;
    availability (*can_)() noexcept;
};

template <event_loop Loop>
void register_rules() {
    const std::string suite = "conformance_" + fiber<Loop>::name();
    for (const rule& each : direct_runtime_rules<fiber<Loop>>()) {
        testing::RegisterTest(
            suite.c_str(), std::string(each.name).c_str(), nullptr, nullptr, __FILE__, __LINE__,
            [each]() -> testing::Test* { return new rule_test(each, &Loop::available); });
    }
}

}  // namespace

int main(int count, char** arguments) {
    testing::InitGoogleTest(&count, arguments);
    register_rules<poll_loop>();
    register_rules<epoll_loop>();
    register_rules<uring_loop>();
    return RUN_ALL_TESTS();
}
