// Every rule on every direct runtime, each as a test of its own:
// conformance_thread_pool.required_gathers_nest.
#include <overlap/conformance/direct_runtime_rules.hpp>
#include <overlap/conformance/run_rule.hpp>
#include <overlap/process/process_per_task.hpp>
#include <overlap/process/process_pool.hpp>
#include <overlap/sequential/sequential.hpp>
#include <overlap/thread_pool/thread_per_task.hpp>
#include <overlap/thread_pool/thread_pool.hpp>

#include <gtest/gtest.h>
#include <string>

namespace {

using namespace overlap;
using namespace overlap::conformance;

class rule_test : public testing::Test {
public:
    explicit rule_test(const rule& which) : rule_(which) {}

    void TestBody() override {
        const verdict result = run_rule(rule_);
        EXPECT_EQ(result.what, outcome::kept) << describe(rule_, result);
    }

private:
    rule rule_;
};

template <direct_runtime Runtime>
void register_rules() {
    const std::string suite = "conformance_" + std::string(Runtime::name());
    for (const rule& each : direct_runtime_rules<Runtime>()) {
        testing::RegisterTest(suite.c_str(), std::string(each.name).c_str(), nullptr, nullptr,
                              __FILE__, __LINE__,
                              [each]() -> testing::Test* { return new rule_test(each); });
    }
}

}  // namespace

int main(int count, char** arguments) {
    testing::InitGoogleTest(&count, arguments);
    register_rules<sequential>();
    register_rules<thread_pool>();
    register_rules<thread_per_task>();
    register_rules<process_pool>();
    register_rules<process_per_task>();
    return RUN_ALL_TESTS();
}
