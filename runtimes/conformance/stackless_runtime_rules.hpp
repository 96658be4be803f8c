// All rules of a stackless runtime.
#pragma once

#include <overlap/conformance/runtime_rules.hpp>

namespace overlap::conformance {

/// fresh<Runtime> must be specialised, to name the runtime's coroutine type.
template <stackless_runtime Runtime>
std::vector<rule> stackless_runtime_rules() {
    return runtime_rules<Runtime>();
}

}  // namespace overlap::conformance
