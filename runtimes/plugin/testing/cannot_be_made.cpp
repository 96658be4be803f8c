// A plug-in that says it can work here, and then cannot.
#include <overlap/loops/poll.hpp>
#include <overlap/plugin/table_of.hpp>

#include <stdexcept>

namespace {

struct unmakeable_loop : overlap::poll_loop {
    static constexpr std::string_view name() { return "cannot_be_made"; }
    unmakeable_loop() { throw std::runtime_error("out of luck"); }
};

}  // namespace

const overlap_loop_table* overlap_loop() { return &overlap::table_of<unmakeable_loop>; }
