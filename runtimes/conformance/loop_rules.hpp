// All rules of an event loop.
#pragma once

#include <overlap/conformance/loop_rules_cancel.hpp>
#include <overlap/conformance/loop_rules_io.hpp>
#include <overlap/conformance/loop_rules_lifetime.hpp>
#include <overlap/conformance/loop_rules_posting.hpp>
#include <overlap/conformance/loop_rules_timers.hpp>

#include <vector>

namespace overlap::conformance {

/// What every model of event_loop keeps. Rules that need I/O or a clock that moves by itself say
/// so; run_rule() reports them as not applicable to a loop without.
template <event_loop Loop>
std::vector<rule> loop_rules() {
    std::vector<rule> all;
    for (const auto& part : {posting_rules<Loop>(), timer_rules<Loop>(), io_rules<Loop>(),
                             cancel_rules<Loop>(), lifetime_rules<Loop>()}) {
        all.insert(all.end(), part.begin(), part.end());
    }
    return all;
}

}  // namespace overlap::conformance
