// What every foreign loop is held to: each rule of loops, and of both runtimes on it.
#pragma once

#include <overlap/conformance/allocations.hpp>
#include <overlap/conformance/direct_runtime_rules.hpp>
#include <overlap/conformance/loop_rules.hpp>
#include <overlap/conformance/stackless_runtime_rules.hpp>
#include <overlap/conformance/testing/register_rules.hpp>
#include <overlap/coroutine/coroutine.hpp>
#include <overlap/fiber/fiber.hpp>

#include <string>
#include <string_view>

namespace overlap::conformance {

template <class Loop>
struct fresh<coroutine<Loop>> {
    template <class T>
    using task = overlap::task<T>;

    Loop loop;
    coroutine<Loop> runtime{loop};
};

template <class Loop>
struct fresh<fiber<Loop>> {
    Loop loop;
    fiber<Loop> runtime{loop};
};

/// Registers all of them; `how`, if any, ends the names of the tests:
/// conformance_libuv_through_table.required_posts_run_in_order.
template <event_loop Loop>
void register_every_rule(const abilities& able, std::string_view how = "") {
    const availability here = Loop::available();
    const auto named = [&](std::string_view name) { return text(name, how); };
    register_rules(named(Loop::name()), loop_rules<Loop>(), here, able);
    register_rules(named(coroutine<Loop>::name()), stackless_runtime_rules<coroutine<Loop>>(),
                   here);
    register_rules(named(fiber<Loop>::name()), direct_runtime_rules<fiber<Loop>>(), here);
}

}  // namespace overlap::conformance
