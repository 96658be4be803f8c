// overlap_check_loop FILE.so [options]: holds a loop in a shared library to all its rules.
#include <overlap/check/check_table.hpp>
#include <overlap/plugin/load_loop.hpp>

#include <cstring>
#include <iostream>
#include <string>

namespace {

using namespace overlap;
using namespace overlap::conformance;

constexpr const char* usage =
    "usage: overlap_check_loop FILE.so [options]\n"
    "Checks that the event loop in a shared library (see overlap/loop.h) keeps its contract, and\n"
    "that coroutines and fibers on it keep theirs; overlap_check_loop FILE.so --help says more.\n";

}  // namespace

int main(int argc, char** argv) {
    if (argc > 1 && std::strcmp(argv[1], "--help") == 0) {
        std::cout << usage;
        return exit_kept;
    }
    if (argc < 2 || argv[1][0] == '-') {
        std::cerr << "overlap_check_loop: expected a shared library first, e.g. "
                     "overlap_check_loop ./libmy.so --list\n";
        return exit_bad_usage;
    }
    try {
        probe_loop(argv[1]);
        table_to_check = load_loop(argv[1]);
    } catch (const plugin_error& error) {
        std::cerr << error.what() << '\n';
        return exit_bad_usage;
    }
    // The library's name stands where a program's would, for what reads the rest.
    return check_main(argc - 1, argv + 1, table_to_check.name, loop_subjects<loop_through_table>());
}
