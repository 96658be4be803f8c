// Backends: what each is called, whether it can run here, and how to get its runtime.
#pragma once

#include <overlap/core/event_loop.hpp>
#include <overlap/core/runtime.hpp>
#include <overlap/cores/cores_coroutine.hpp>
#include <overlap/cores/sharded_fiber.hpp>
#include <overlap/coroutine/coroutine.hpp>
#include <overlap/fiber/fiber.hpp>
#include <overlap/loops/epoll.hpp>
#include <overlap/loops/poll.hpp>
#include <overlap/loops/uring.hpp>
#include <overlap/process/process_per_task.hpp>
#include <overlap/process/process_pool.hpp>
#include <overlap/sequential/sequential.hpp>
#include <overlap/thread_pool/thread_per_task.hpp>
#include <overlap/thread_pool/thread_pool.hpp>

#include <functional>
#include <string>
#include <vector>

namespace overlap::bench {

/// What a backend does with more tasks than it can have in flight.
enum class overflow {
    queues,  ///< The others wait their turn.
    fails,   ///< There is a task for each or none at all.
};

/// What can be said of a backend before its runtime is made. Beside it each has `takes_turns`: a task
/// that gives way or waits makes room for another on its thread.
struct backend_summary {
    std::string name;
    std::string loop;  ///< Empty: it needs none.
    availability here;
};

/// What is done with a backend's runtime, for as long as there is one. Not the type of a function object,
/// so that what makes a runtime is compiled once and, as it is not inlined, not for each use.
template <class Runtime>
using use_of = std::function<void(Runtime& runtime)>;

/// Coroutines or fibers on a loop of type `Loop`.
template <template <class> class Runtime, event_loop Loop>
struct loop_backend {
    using runtime_type = Runtime<Loop>;
    static constexpr overflow beyond_limit = overflow::fails;
    static constexpr bool uses_processes = false;
    static constexpr bool takes_turns = true;

    [[nodiscard]] backend_summary summary() const {
        return {Runtime<Loop>::name(), std::string(Loop::name()), Loop::available()};
    }

    [[gnu::noinline]] void with_runtime(const use_of<runtime_type>& use) const {
        Loop loop;
        runtime_type runtime(loop);
        use(runtime);
    }
};

/// A runtime that makes its loops of type `Loop` itself, one for each core.
template <template <class> class Runtime, event_loop Loop>
struct cores_backend {
    using runtime_type = Runtime<Loop>;
    static constexpr overflow beyond_limit = overflow::fails;
    static constexpr bool uses_processes = false;
    static constexpr bool takes_turns = false;  ///< Not with a task on each.

    [[nodiscard]] backend_summary summary() const {
        return {Runtime<Loop>::name(), std::string(Loop::name()), Loop::available()};
    }

    [[gnu::noinline]] void with_runtime(const use_of<runtime_type>& use) const {
        runtime_type runtime;
        use(runtime);
    }
};

/// A runtime that needs no loop.
template <class Runtime, overflow Overflow = overflow::queues, bool Processes = false>
struct plain_backend {
    using runtime_type = Runtime;
    static constexpr overflow beyond_limit = Overflow;
    static constexpr bool uses_processes = Processes;
    static constexpr bool takes_turns = stackless_runtime<Runtime>;

    [[nodiscard]] backend_summary summary() const { return {Runtime::name(), "", {}}; }

    [[gnu::noinline]] void with_runtime(const use_of<runtime_type>& use) const {
        runtime_type runtime;
        use(runtime);
    }
};

/// Backends by type, in the order of the tables.
template <class... Backends>
struct backend_list {
    /// Calls visit(backend) for each.
    template <class Visit>
    static void for_each([[maybe_unused]] Visit visit) {
        (visit(Backends{}), ...);
    }
};

using built_in_backends =
    backend_list<plain_backend<sequential>, loop_backend<coroutine, uring_loop>,
                 loop_backend<coroutine, epoll_loop>, loop_backend<coroutine, poll_loop>,
                 loop_backend<fiber, uring_loop>, loop_backend<fiber, epoll_loop>,
                 loop_backend<fiber, poll_loop>, cores_backend<sharded_coroutine, uring_loop>,
                 cores_backend<sharded_coroutine, epoll_loop>,
                 cores_backend<stealing_coroutine, uring_loop>,
                 cores_backend<stealing_coroutine, epoll_loop>,
                 cores_backend<sharded_fiber, uring_loop>, cores_backend<sharded_fiber, epoll_loop>,
                 plain_backend<thread_pool>, plain_backend<thread_per_task, overflow::fails>,
                 plain_backend<process_pool, overflow::queues, true>,
                 plain_backend<process_per_task, overflow::fails, true>>;

/// What makes their runtimes, compiled in backends.cpp.
#define OVERLAP_BUILT_IN_BACKENDS(template_struct)                                                 \
    template_struct plain_backend<sequential>;                                                     \
    template_struct loop_backend<coroutine, uring_loop>;                                           \
    template_struct loop_backend<coroutine, epoll_loop>;                                           \
    template_struct loop_backend<coroutine, poll_loop>;                                            \
    template_struct loop_backend<fiber, uring_loop>;                                               \
    template_struct loop_backend<fiber, epoll_loop>;                                               \
    template_struct loop_backend<fiber, poll_loop>;                                                \
    template_struct cores_backend<sharded_coroutine, uring_loop>;                                  \
    template_struct cores_backend<sharded_coroutine, epoll_loop>;                                  \
    template_struct cores_backend<stealing_coroutine, uring_loop>;                                 \
    template_struct cores_backend<stealing_coroutine, epoll_loop>;                                 \
    template_struct cores_backend<sharded_fiber, uring_loop>;                                      \
    template_struct cores_backend<sharded_fiber, epoll_loop>;                                      \
    template_struct plain_backend<thread_pool>;                                                    \
    template_struct plain_backend<thread_per_task, overflow::fails>;                               \
    template_struct plain_backend<process_pool, overflow::queues, true>;                           \
    template_struct plain_backend<process_per_task, overflow::fails, true>
OVERLAP_BUILT_IN_BACKENDS(extern template struct);

using no_backends = backend_list<>;

/// Coroutines and fibers on a loop of one's own.
template <event_loop Loop>
using with_loop =
    backend_list<loop_backend<coroutine, Loop>, loop_backend<fiber, Loop>,
                 cores_backend<sharded_coroutine, Loop>, cores_backend<stealing_coroutine, Loop>,
                 cores_backend<sharded_fiber, Loop>>;

/// A runtime of one's own. With more tasks than its task_limit() it is taken to queue them.
template <runtime Runtime>
using with_runtime = backend_list<plain_backend<Runtime>>;

/// The summaries of a list's backends.
template <class List>
std::vector<backend_summary> summaries() {
    std::vector<backend_summary> all;
    List::for_each([&](const auto& backend) { all.push_back(backend.summary()); });
    return all;
}

/// Runs `stackless` (a coroutine function) or its direct twin of the same name to its result.
template <class Runtime, class Root>
auto run_root(Runtime& runtime, Root root) {
    if constexpr (stackless_runtime<Runtime>) {
        return runtime.run(root());
    } else {
        return runtime.run(root);
    }
}

}  // namespace overlap::bench
