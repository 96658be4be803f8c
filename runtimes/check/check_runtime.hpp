// All that is asked of a runtime, as a program.
#pragma once

#include <overlap/conformance/direct_runtime_rules.hpp>
#include <overlap/conformance/report.hpp>
#include <overlap/conformance/runtime_rules.hpp>

#include <string>

namespace overlap::conformance {

/// What main() of a program that checks runtimes of type `Runtime`, of either colour, returns;
/// check_main() says what it reads and prints.
template <any_runtime Runtime>
int check_runtime(int argc, char** argv) {
    return check_main(argc, argv, std::string(Runtime::name()), runtime_rules<Runtime>());
}

}  // namespace overlap::conformance
