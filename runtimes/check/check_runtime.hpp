// All that is asked of a runtime, as a program.
#pragma once

#include <overlap/conformance/direct_runtime_rules.hpp>
#include <overlap/conformance/report.hpp>
#include <overlap/conformance/runtime_rules.hpp>
#include <overlap/conformance/runtime_rules_cores.hpp>

#include <string>
#include <vector>

namespace overlap::conformance {

/// What main() of a program that checks runtimes of type `Runtime`, of either colour, returns;
/// check_main() says what it reads and prints.
template <any_runtime Runtime>
int check_runtime(int argc, char** argv) {
    return check_main(argc, argv, std::string(Runtime::name()), runtime_rules<Runtime>());
}

/// The same for one on several cores, of which fresh<Runtime> tells it.
template <any_runtime Runtime>
int check_cores_runtime(int argc, char** argv) {
    std::vector<rule> all = runtime_rules<Runtime>();
    const std::vector<rule> of_cores = runtime_cores_rules<Runtime>();
    all.insert(all.end(), of_cores.begin(), of_cores.end());
    return check_main(argc, argv, std::string(Runtime::name()), all);
}

}  // namespace overlap::conformance
