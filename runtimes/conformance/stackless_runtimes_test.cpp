// Every rule of runtimes on the coroutine runtime, on each loop, as a test of its own:
// conformance_coroutine:epoll.required_gathers_nest.
#include <overlap/conformance/run_rule.hpp>
#include <overlap/conformance/stackless_runtime_rules.hpp>
#include <overlap/coroutine/coroutine.hpp>
#include <overlap/loops/epoll.hpp>
#include <overlap/loops/poll.hpp>
#include <overlap/loops/uring.hpp>

#include <gtest/gtest.h>
#include <string>
#include <utility>

namespace overlap::conformance {

template <class Loop>
struct fresh<coroutine<Loop>> {
    template <class T>
    using task = overlap::task<T>;

    Loop loop;
    coroutine<Loop> runtime{loop};
};

}  // namespace overlap::conformance

namespace {

using namespace overlap;
using namespace overlap::conformance;

class rule_test : public testing::Test {
public:
    rule_test(const rule& which, availability can) : rule_(which), can_(std::move(can)) {}

    void TestBody() override {
        if (!can_) GTEST_SKIP() << "not available: " << can_.reason;
        const verdict result = run_rule(rule_);
        EXPECT_EQ(result.what, outcome::kept) << describe(rule_, result);
    }

private:
    rule rule_;
    availability can_;
};

template <event_loop Loop>
void register_rules() {
    const std::string suite = "conformance_" + coroutine<Loop>::name();
    for (const rule& each : stackless_runtime_rules<coroutine<Loop>>()) {
        testing::RegisterTest(
            suite.c_str(), std::string(each.name).c_str(), nullptr, nullptr, __FILE__, __LINE__,
            [each]() -> testing::Test* { return new rule_test(each, Loop::available()); });
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
