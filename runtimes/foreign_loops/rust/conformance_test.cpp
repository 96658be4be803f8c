// Every rule on the loop in Rust, which comes from a shared library:
// conformance_rust.required_posts_run_in_order.
#include "../testing/every_rule.hpp"

#include <overlap/plugin/dynamic_loop.hpp>
#include <overlap/plugin/load_loop.hpp>

#include <gtest/gtest.h>

namespace {

overlap_loop_table table;

}  // namespace

int main(int count, char** arguments) {
    testing::InitGoogleTest(&count, arguments);
    table = overlap::load_loop(OVERLAP_RUST_LOOP);
    // Nobody counts what Rust allocates, so the rule about allocation does not apply.
    overlap::conformance::register_every_rule<overlap::dynamic_loop<table>>({});
    return RUN_ALL_TESTS();
}
