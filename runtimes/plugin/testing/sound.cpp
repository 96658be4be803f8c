// A plug-in that nothing is wrong with.
#include <overlap/loops/epoll.hpp>
#include <overlap/plugin/table_of.hpp>

namespace {

struct sound_loop : overlap::epoll_loop {
    static constexpr std::string_view name() { return "sound"; }
};

}  // namespace

const overlap_loop_table* overlap_loop() { return &overlap::table_of<sound_loop>; }
