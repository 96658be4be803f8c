// Rules as tests of GoogleTest, one by one: conformance_poll.required_posts_run_in_order.
#pragma once

#include <overlap/conformance/run_rule.hpp>
#include <overlap/core/event_loop.hpp>

#include <gtest/gtest.h>
#include <string>
#include <utility>
#include <vector>

namespace overlap::conformance {

/// A rule that does not apply, and one on something that is not available here, are skipped in
/// words.
class rule_test : public testing::Test {
public:
    rule_test(const rule& which, const abilities& able, availability here, void (*prepare)())
        : rule_(which), able_(able), here_(std::move(here)), prepare_(prepare) {}

    void TestBody() override {
        if (!here_) GTEST_SKIP() << "not available: " << here_.reason;
        if (prepare_ != nullptr) prepare_();
        const verdict result = run_rule(rule_, able_);
        if (result.what == outcome::not_applicable) {
            GTEST_SKIP() << "not applicable: " << result.reason;
        }
        EXPECT_EQ(result.what, outcome::kept) << describe(rule_, result);
    }

private:
    rule rule_;
    abilities able_;
    availability here_;
    void (*prepare_)();
};

/// Registers a test for each of the rules of what is called `name`; it calls `prepare`, if set, before
/// it checks the rule.
inline void register_rules(const std::string& name, const std::vector<rule>& rules,
                           const availability& here = {}, const abilities& able = {},
                           void (*prepare)() = nullptr) {
    const std::string suite = "conformance_" + name;
    for (const rule& each : rules) {
        testing::RegisterTest(
            suite.c_str(), std::string(each.name).c_str(), nullptr, nullptr, __FILE__, __LINE__,
            [=]() -> testing::Test* { return new rule_test(each, able, here, prepare); });
    }
}

}  // namespace overlap::conformance
