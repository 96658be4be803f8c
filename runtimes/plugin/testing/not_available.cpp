// A plug-in that no kernel is good enough for.
#include <overlap/loops/poll.hpp>
#include <overlap/plugin/table_of.hpp>

namespace {

struct not_available_loop : overlap::poll_loop {
    static constexpr std::string_view name() { return "not_available"; }
    static overlap::availability available() noexcept { return {"needs a kernel from next year"}; }
};

}  // namespace

const overlap_loop_table* overlap_loop() { return &overlap::table_of<not_available_loop>; }
