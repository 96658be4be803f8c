// What check_table.hpp says is compiled elsewhere.
#include <overlap/check/check_loop.hpp>

#include <string>
#include <vector>

namespace overlap::conformance {

template std::vector<subject> loop_subjects<loop_through_table>(const std::string&,
                                                                const std::string&);

}  // namespace overlap::conformance
