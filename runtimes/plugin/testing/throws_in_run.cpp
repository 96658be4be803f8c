// A plug-in that gives up while it runs.
#include <overlap/loops/poll.hpp>
#include <overlap/plugin/table_of.hpp>

#include <stdexcept>

namespace {

struct throwing_loop : overlap::poll_loop {
    static constexpr std::string_view name() { return "throws_in_run"; }
    [[noreturn]] void run() { throw std::runtime_error("the dog ate the descriptor"); }
};

}  // namespace

const overlap_loop_table* overlap_loop() { return &overlap::table_of<throwing_loop>; }
