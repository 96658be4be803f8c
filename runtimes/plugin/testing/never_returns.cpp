// A plug-in whose run() never comes back.
#include <overlap/loops/poll.hpp>
#include <overlap/plugin/table_of.hpp>

#include <unistd.h>

namespace {

struct endless_loop : overlap::poll_loop {
    static constexpr std::string_view name() { return "never_returns"; }
    [[noreturn]] void run() {
        for (;;) ::pause();
    }
};

}  // namespace

const overlap_loop_table* overlap_loop() { return &overlap::table_of<endless_loop>; }
