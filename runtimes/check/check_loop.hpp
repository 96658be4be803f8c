// All that is asked of an event loop, as a program: its own rules, and those of the runtimes on it.
#pragma once

#include <overlap/check/runtimes_on_loops.hpp>
#include <overlap/conformance/allocations.hpp>
#include <overlap/conformance/direct_runtime_rules.hpp>
#include <overlap/conformance/loop_rules.hpp>
#include <overlap/conformance/report.hpp>
#include <overlap/conformance/stackless_runtime_rules.hpp>
#include <overlap/core/event_loop.hpp>
#include <overlap/plugin/dynamic_loop.hpp>

#include <string>
#include <vector>

namespace overlap::conformance {

/// The loop, and coroutines and fibers on it. What is behind `through` is how the loop is called: a
/// word for keys and one for names, both empty for calls that are compiled in.
template <event_loop Loop>
std::vector<subject> loop_subjects(const std::string& key_suffix = "",
                                   const std::string& name_suffix = "") {
    const availability here = Loop::available();
    const std::string name(Loop::name());
    return {
        {"loop" + key_suffix,
         name + name_suffix,
         loop_rules<Loop>(),
         {.counted_allocation = allocation_count != nullptr},
         here},
        {"coroutine" + key_suffix,
         coroutine<Loop>::name() + name_suffix,
         stackless_runtime_rules<coroutine<Loop>>(),
         {},
         here},
        {"fiber" + key_suffix,
         fiber<Loop>::name() + name_suffix,
         direct_runtime_rules<fiber<Loop>>(),
         {},
         here},
    };
}

/// The table behind which loops of type loop_through_table are: set it before any of their rules is
/// checked. One variable for whatever loop is checked, so that the rules for what is behind it are
/// compiled once (check_table.hpp); and no constant, so that the compiler cannot see through the calls.
inline overlap_loop_table table_to_check;

using loop_through_table = dynamic_loop<table_to_check>;

/// What main() of a program that checks loops of type `Loop` returns; check_main() says what it
/// reads and prints. The loop is judged twice, with its calls compiled in and through its table.
template <event_loop Loop>
int check_loop(int argc, char** argv) {
    std::vector<subject> all = loop_subjects<Loop>();
    table_to_check = table_of<Loop>;
    const auto through_table =
        loop_subjects<loop_through_table>("_through_table", " through its table");
    all.insert(all.end(), through_table.begin(), through_table.end());
    return check_main(argc, argv, Loop::name(), all);
}

}  // namespace overlap::conformance
