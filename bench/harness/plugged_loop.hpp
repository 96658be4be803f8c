// Loops that `--loop=./libmy.so` names, and the backends on them.
#pragma once

#include "bench/harness/backends.hpp"

#include <overlap/plugin/dynamic_loop.hpp>
#include <overlap/plugin/load_loop.hpp>

#include <string>
#include <type_traits>

namespace overlap::bench {

/// What is known of a plug-in before it is used. Only the processes that measure load it.
struct plugged_loop {
    std::string path;
    std::string name;   ///< The loop's; the file's when the plug-in is too bad to be asked.
    availability here;  ///< The reason may be the loop's own, or what is wrong with the plug-in.
};

/// The functions of the loop that this process measures. Each row and each primitive has a process of
/// its own, so one set is enough.
inline overlap_loop_table loop_functions;
using measured_loop = dynamic_loop<loop_functions>;

/// A runtime on a loop from a shared library, or on as many of its loops as there are cores.
template <template <class> class Runtime>
struct plugged_backend {
    using runtime_type = Runtime<measured_loop>;
    static constexpr bool makes_its_loops = std::is_default_constructible_v<runtime_type>;
    static constexpr overflow beyond_limit = overflow::fails;
    static constexpr bool uses_processes = false;
    static constexpr bool takes_turns = !makes_its_loops;

    std::string name;
    plugged_loop loop;

    [[nodiscard]] backend_summary summary() const { return {name, loop.name, loop.here}; }

    [[gnu::noinline]] void with_runtime(const use_of<runtime_type>& use) const {
        loop_functions = load_loop(loop.path);
        if constexpr (makes_its_loops) {
            runtime_type runtime;
            use(runtime);
        } else {
            measured_loop chosen;
            runtime_type runtime(chosen);
            use(runtime);
        }
    }
};

/// As for the built-in ones.
#define OVERLAP_PLUGGED_BACKENDS(template_struct)                                                  \
    template_struct plugged_backend<coroutine>;                                                    \
    template_struct plugged_backend<fiber>;                                                        \
    template_struct plugged_backend<sharded_coroutine>;                                            \
    template_struct plugged_backend<stealing_coroutine>;                                           \
    template_struct plugged_backend<sharded_fiber>
OVERLAP_PLUGGED_BACKENDS(extern template struct);

/// Calls visit(backend) for each backend on `loop`.
template <class Visit>
void for_each_backend_on(const plugged_loop& loop, Visit visit) {
    visit(plugged_backend<coroutine>{"coroutine:" + loop.name, loop});
    visit(plugged_backend<fiber>{"fiber:" + loop.name, loop});
    visit(plugged_backend<sharded_coroutine>{"sharded_coroutine:" + loop.name, loop});
    visit(plugged_backend<stealing_coroutine>{"stealing_coroutine:" + loop.name, loop});
    visit(plugged_backend<sharded_fiber>{"sharded_fiber:" + loop.name, loop});
}

}  // namespace overlap::bench
