// All rules of a runtime, of either colour.
#pragma once

#include <overlap/conformance/runtime_rules_cancel.hpp>
#include <overlap/conformance/runtime_rules_deadlines.hpp>
#include <overlap/conformance/runtime_rules_gather.hpp>
#include <overlap/conformance/runtime_rules_io.hpp>
#include <overlap/conformance/runtime_rules_waiting.hpp>
#include <overlap/conformance/runtime_rules_with_deadline.hpp>

#include <vector>

namespace overlap::conformance {

/// What every model of direct_runtime or stackless_runtime keeps. Each rule makes the runtime for
/// itself, by way of fresh<Runtime>, and wants a process of its own: check it with run_rule().
template <any_runtime Runtime>
std::vector<rule> runtime_rules() {
    std::vector<rule> all;
    for (const auto& part :
         {runtime_gather_rules<Runtime>(), runtime_waiting_rules<Runtime>(),
          runtime_io_rules<Runtime>(), runtime_deadline_rules<Runtime>(),
          runtime_cancel_rules<Runtime>(), runtime_with_deadline_rules<Runtime>()}) {
        all.insert(all.end(), part.begin(), part.end());
    }
    return all;
}

}  // namespace overlap::conformance
