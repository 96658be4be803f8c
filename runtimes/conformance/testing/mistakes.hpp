// The kit's own tests: deliberate mistakes, each with the rules that it must break. All others must
// be kept, and no rule may be one that nothing breaks.
#pragma once

#include <overlap/conformance/run_rule.hpp>

#include <algorithm>
#include <chrono>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace overlap::conformance {

/// A rule that a mistake breaks, and words that its verdict says. None where the verdict differs
/// from run to run.
struct breakage {
    std::string_view rule;
    std::string_view words;
};

struct mistake {
    std::string_view name;
    std::vector<rule> rules;
    std::vector<breakage> broken;
    void (*commit)() = nullptr;  ///< Called before the rules are judged, if set.
    abilities able = {};
};

/// The words of a verdict on a rule that hangs.
inline constexpr std::string_view hung = "(hung)";

/// For rules that must not hang: some mistakes make them slow, and machines are busy.
inline constexpr std::chrono::seconds long_patience = 3 * patience;

/// How long to watch what is expected to hang, now or then.
[[nodiscard]] inline std::chrono::seconds patience_with(const breakage& expected) {
    const bool may_hang = expected.words.empty() || expected.words == hung;
    return may_hang ? std::chrono::seconds(2) : long_patience;
}

/// A rule that the mistake breaks, but that does not apply in this build, is skipped in words.
class mistake_test : public testing::Test {
public:
    explicit mistake_test(mistake which) : mistake_(std::move(which)) {}

    void TestBody() override {
        if (mistake_.commit != nullptr) mistake_.commit();
        for (const rule& each : mistake_.rules) {
            const auto expected = std::ranges::find(mistake_.broken, each.name, &breakage::rule);
            const bool breaks = expected != mistake_.broken.end();
            const verdict result =
                run_rule(each, mistake_.able, breaks ? patience_with(*expected) : long_patience);
            if (breaks && result.what == outcome::not_applicable) {
                GTEST_SKIP() << each.name << ": " << result.reason;
            }
            const bool broken = result.what == outcome::broken;
            EXPECT_EQ(broken, breaks) << describe(each, result);
            if (!breaks) continue;
            EXPECT_THAT(result.reason, testing::HasSubstr(std::string(expected->words)));
        }
    }

private:
    mistake mistake_;
};

/// Rules that none of the mistakes breaks, and rules that are expected to be broken but do not exist.
class coverage_test : public testing::Test {
public:
    explicit coverage_test(const std::vector<mistake>& mistakes) {
        for (const mistake& each : mistakes) {
            for (const rule& known : each.rules) rules_.emplace(known.name);
            for (const breakage& known : each.broken) broken_.emplace(known.rule);
        }
    }

    void TestBody() override { EXPECT_EQ(rules_, broken_); }

private:
    std::set<std::string> rules_;
    std::set<std::string> broken_;
};

/// Registers a test for each mistake and one for all: conformance_mistakes.leaks_a_descriptor.
inline void register_mistakes(const std::string& suite, const std::vector<mistake>& mistakes) {
    const auto add = [&suite](const std::string& name, const auto& make) {
        testing::RegisterTest(suite.c_str(), name.c_str(), nullptr, nullptr, __FILE__, __LINE__,
                              [=]() -> testing::Test* { return make(); });
    };
    for (const mistake& each : mistakes) {
        add(std::string(each.name), [each] { return new mistake_test(each); });
    }
    add("every_rule_is_broken_by_one", [mistakes] { return new coverage_test(mistakes); });
}

}  // namespace overlap::conformance
