// As many kernel threads as cores, from oneTBB; a task that waits in the kernel holds its thread.
#pragma once

#include <overlap/core/blocking_calls.hpp>
#include <overlap/core/cores.hpp>
#include <overlap/core/runtime.hpp>
#include <overlap/core/shared_tasks.hpp>
#include <overlap/core/task_results.hpp>
#include <overlap/thread_pool/thread_channel.hpp>

#include <algorithm>
#include <cstddef>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

namespace overlap {

/// `workers` tasks are in flight at once: workers - 1 on threads of oneTBB and one on the thread
/// that calls gather. Several threads may gather at the same time, and tasks may gather.
///
/// oneTBB caps its threads for the whole process at the smallest number that any living pool asked
/// for, so make pools of different sizes one after another.
class thread_pool : public blocking_calls {
public:
    /// Throws std::invalid_argument for 0 workers. Threads start with the first gather.
    explicit thread_pool(std::size_t workers = available_cores())
        : workers_(at_least_one_worker(workers, name())),
          thread_cap_(tbb::global_control::max_allowed_parallelism, workers),
          arena_(static_cast<int>(workers)) {}

    [[nodiscard]] static constexpr const char* name() noexcept { return "thread_pool"; }
    [[nodiscard]] std::size_t task_limit() const noexcept { return workers_; }

    /// See thread_channel.
    template <class T>
    static thread_channel<T> make_channel(std::size_t capacity) {
        return thread_channel<T>(capacity);
    }

    template <class Root>
    static decltype(auto) run(Root&& root) {
        return root();
    }

    template <class Body>
    auto gather(std::size_t n, const Body& body) {
        task_results<task_result_t<Body>> results(n);
        shared_tasks tasks(n, workers_);
        const auto work = [&](std::size_t) noexcept {
            tasks.run_all([&](task_range range) noexcept {
                for (std::size_t i = range.first; i < range.last; ++i) results.run(body, i);
            });
        };
        arena_.execute([&] {
            // Isolated: a task that waits for a gather of its own must not meanwhile begin another
            // task of the outer gather, which would put more in flight than there are workers, and
            // could wait for the very task that it was stacked upon.
            tbb::this_task_arena::isolate([&] {
                tbb::parallel_for(std::size_t{0}, std::min(n, workers_), work,
                                  tbb::simple_partitioner{});
            });
        });
        return results.take();
    }

private:
    std::size_t workers_;
    tbb::global_control thread_cap_;  // Lets there be more threads than cores, if asked for.
    tbb::task_arena arena_;
};

static_assert(direct_runtime<thread_pool>);

}  // namespace overlap
