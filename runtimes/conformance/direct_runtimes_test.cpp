// Every rule on every direct runtime, each as a test of its own:
// conformance_thread_pool.required_gathers_nest.
#include <overlap/conformance/direct_runtime_rules.hpp>
#include <overlap/conformance/testing/register_rules.hpp>
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

template <direct_runtime Runtime>
void add() {
    register_rules(std::string(Runtime::name()), direct_runtime_rules<Runtime>());
}

}  // namespace

int main(int count, char** arguments) {
    testing::InitGoogleTest(&count, arguments);
    add<sequential>();
    add<thread_pool>();
    add<thread_per_task>();
    add<process_pool>();
    add<process_per_task>();
    return RUN_ALL_TESTS();
}
