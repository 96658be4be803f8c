// A plug-in with a name that no table could show.
#include <overlap/loops/poll.hpp>
#include <overlap/plugin/table_of.hpp>

namespace {

struct wrong_name_loop : overlap::poll_loop {
    static constexpr std::string_view name() { return "poll/2"; }
};

}  // namespace

const overlap_loop_table* overlap_loop() { return &overlap::table_of<wrong_name_loop>; }
