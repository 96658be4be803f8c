// For programs linked with overlap::check_table, in which the rules of loops behind a table, and of the
// runtimes on them, are compiled, rather than in each program that includes check_loop.hpp.
#pragma once

#include <overlap/check/check_loop.hpp>

#include <string>
#include <vector>

namespace overlap::conformance {

extern template std::vector<subject> loop_subjects<loop_through_table>(const std::string&,
                                                                       const std::string&);

}  // namespace overlap::conformance
