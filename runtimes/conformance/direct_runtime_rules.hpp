// All rules of a direct runtime.
#pragma once

#include <overlap/conformance/runtime_rules.hpp>

namespace overlap::conformance {

template <direct_runtime Runtime>
std::vector<rule> direct_runtime_rules() {
    return runtime_rules<Runtime>();
}

}  // namespace overlap::conformance
