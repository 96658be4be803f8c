// All rules of a direct runtime.
#pragma once

#include <overlap/conformance/direct_rules_gather.hpp>
#include <overlap/conformance/direct_rules_io.hpp>
#include <overlap/conformance/direct_rules_waiting.hpp>

#include <vector>

namespace overlap::conformance {

/// What every model of direct_runtime keeps. Each rule makes the runtime for itself, by way of
/// fresh<Runtime>, and wants a process of its own: check it with run_rule().
template <direct_runtime Runtime>
std::vector<rule> direct_runtime_rules() {
    std::vector<rule> all;
    for (const auto& part : {direct_gather_rules<Runtime>(), direct_waiting_rules<Runtime>(),
                             direct_io_rules<Runtime>()}) {
        all.insert(all.end(), part.begin(), part.end());
    }
    return all;
}

}  // namespace overlap::conformance
