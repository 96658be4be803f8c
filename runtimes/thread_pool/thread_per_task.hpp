// A kernel thread for each task: the plainest way to wait for many things at once.
#pragma once

#include <overlap/core/blocking_calls.hpp>
#include <overlap/core/machine_limits.hpp>
#include <overlap/core/runtime.hpp>
#include <overlap/core/task_results.hpp>
#include <overlap/thread_pool/thread_channel.hpp>

#include <cstddef>
#include <pthread.h>
#include <vector>

namespace overlap {

namespace detail {

/// The threads of one gather.
class task_threads {
public:
    /// Ours are 256 KiB (of address space; memory is used as it is touched), not the usual 8 MiB:
    /// glibc keeps 40 MB of the stacks of ended threads for new ones, and 160 of them go into that
    /// instead of 5; eight share a page of page tables; RLIMIT_AS is met 32 times later.
    static constexpr std::size_t stack_size = std::size_t{256} * 1024;

    /// Measured at 20 KB: a kernel stack of 16, the task's own structures, two touched pages. A
    /// stack and its guard are two mappings.
    static constexpr task_demand demand{
        .memory = 24'000, .mappings = 2, .address_space = stack_size + 4096};

    /// Calls run(context, index) for each index below n, each on a thread of its own, and returns
    /// when all have ended. Throws limit_error, after those that were started have ended, when a
    /// thread cannot be created.
    static void run_all(std::size_t n, void (*run)(void*, std::size_t), void* context) {
        task_threads threads(n);
        int error = 0;
        for (std::size_t index = 0; index < n && error == 0; ++index) {
            error = threads.start({.run = run, .context = context, .index = index, .id = {}});
            threads.join_ended();
        }
        const std::size_t started = threads.started_.size();
        // While they are alive, since the limits count them.
        const auto limit = error != 0 ? std::optional(limit_met("thread_per_task", "kernel thread",
                                                                started, n, error, demand))
                                      : std::nullopt;
        threads.join_all();
        if (limit) throw limit_error(*limit);
    }

private:
    struct task_thread {
        void (*run)(void*, std::size_t);
        void* context;
        std::size_t index;
        pthread_t id;
    };

    explicit task_threads(std::size_t n) {
        started_.reserve(n);  // Threads point into it, so it must not move.
        pthread_attr_init(&attributes_);
        pthread_attr_setstacksize(&attributes_, stack_size);
    }
    ~task_threads() { pthread_attr_destroy(&attributes_); }
    task_threads(const task_threads&) = delete;
    task_threads& operator=(const task_threads&) = delete;

    int start(const task_thread& description) {
        task_thread& thread = started_.emplace_back(description);
        const int error = pthread_create(
            &thread.id, &attributes_,
            [](void* self) -> void* {
                const auto& it = *static_cast<task_thread*>(self);
                it.run(it.context, it.index);
                return nullptr;
            },
            &thread);
        if (error != 0) started_.pop_back();
        return error;
    }

    /// Joins the oldest while they have ended, so that what limits a gather is how many are in
    /// flight, not how many there are; and their stacks are used again while they are in the cache.
    void join_ended() {
        while (joined_ < started_.size() &&
               pthread_tryjoin_np(started_[joined_].id, nullptr) == 0) {
            ++joined_;
        }
    }

    void join_all() {
        for (; joined_ < started_.size(); ++joined_) pthread_join(started_[joined_].id, nullptr);
    }

    pthread_attr_t attributes_{};
    std::vector<task_thread> started_;
    std::size_t joined_ = 0;
};

}  // namespace detail

/// All tasks of a gather are in flight together. Any thread may gather, and tasks may gather. A
/// task has a stack of 256 KiB.
class thread_per_task : public blocking_calls {
public:
    [[nodiscard]] static constexpr const char* name() noexcept { return "thread_per_task"; }

    /// What the tightest limit of the machine leaves room for at this moment, an upper bound.
    [[nodiscard]] static std::size_t task_limit() {
        return tightest_limit(detail::task_threads::demand, 1).room;
    }

    /// See thread_channel.
    template <class T>
    static thread_channel<T> make_channel(std::size_t capacity) {
        return thread_channel<T>(capacity);
    }

    template <class Root>
    static decltype(auto) run(Root&& root) {
        return root();
    }

    /// Throws limit_error when a thread cannot be created, naming the limit; the tasks that were
    /// started before have ended by then, and their results and exceptions are dropped.
    template <class Body>
    static auto gather(std::size_t n, const Body& body) {
        task_results<task_result_t<Body>> results(n);
        auto run_task = [&](std::size_t index) noexcept { results.run(body, index); };
        detail::task_threads::run_all(
            n,
            [](void* context, std::size_t index) {
                (*static_cast<decltype(run_task)*>(context))(index);
            },
            &run_task);
        return results.take();
    }
};

static_assert(direct_runtime<thread_per_task>);

}  // namespace overlap
