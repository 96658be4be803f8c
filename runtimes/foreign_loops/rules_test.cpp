// The rules of a loop, on its class: conformance_libuv_loop.required_posts_run_in_order.
#include <overlap/conformance/loop_rules.hpp>
#include <overlap/conformance/testing/register_rules.hpp>

#include <gtest/gtest.h>
#include <string>

#include OVERLAP_LOOP_HEADER

int main(int count, char** arguments) {
    using namespace overlap::conformance;
    using loop = OVERLAP_LOOP_TYPE;
    testing::InitGoogleTest(&count, arguments);
    register_rules(std::string(loop::name()), loop_rules<loop>(), loop::available());
    return RUN_ALL_TESTS();
}
