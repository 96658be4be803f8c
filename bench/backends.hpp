// The built-in backends: what each is called, whether it can run here, and how to get its runtime.
#pragma once

#include <overlap/core/event_loop.hpp>
#include <overlap/core/runtime.hpp>
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

#include <string>
#include <string_view>

namespace overlap::bench {

/// What a backend does with more tasks than it can have in flight.
enum class overflow {
    queues,  ///< The others wait their turn.
    fails,   ///< There is a task for each or none at all.
};

/// Coroutines or fibers on a loop of type `Loop`.
template <template <class> class Runtime, event_loop Loop>
struct loop_backend {
    static constexpr overflow beyond_limit = overflow::fails;
    static constexpr bool uses_processes = false;
    static constexpr std::string_view loop = Loop::name();

    static std::string name() { return Runtime<Loop>::name(); }
    static availability available() { return Loop::available(); }

    template <class Use>
    static auto with_runtime(Use use) {
        Loop loop_here;
        Runtime<Loop> runtime(loop_here);
        return use(runtime);
    }
};

/// A runtime that needs no loop.
template <class Runtime, overflow Overflow, bool Processes = false>
struct plain_backend {
    static constexpr overflow beyond_limit = Overflow;
    static constexpr bool uses_processes = Processes;
    static constexpr std::string_view loop = "";

    static std::string name() { return Runtime::name(); }
    static availability available() { return {}; }

    template <class Use>
    static auto with_runtime(Use use) {
        Runtime runtime;
        return use(runtime);
    }
};

/// Calls visit.operator()<Backend>() for each, in the order of the tables.
template <class Visit>
void for_each_backend(Visit visit) {
    visit.template operator()<plain_backend<sequential, overflow::queues>>();
    visit.template operator()<loop_backend<coroutine, uring_loop>>();
    visit.template operator()<loop_backend<coroutine, epoll_loop>>();
    visit.template operator()<loop_backend<coroutine, poll_loop>>();
    visit.template operator()<loop_backend<fiber, uring_loop>>();
    visit.template operator()<loop_backend<fiber, epoll_loop>>();
    visit.template operator()<loop_backend<fiber, poll_loop>>();
    visit.template operator()<plain_backend<thread_pool, overflow::queues>>();
    visit.template operator()<plain_backend<thread_per_task, overflow::fails>>();
    visit.template operator()<plain_backend<process_pool, overflow::queues, true>>();
    visit.template operator()<plain_backend<process_per_task, overflow::fails, true>>();
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
