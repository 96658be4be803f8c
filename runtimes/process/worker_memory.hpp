// What a process pool and its workers share: the gather under way, and how far each worker is.
#pragma once

#include <overlap/core/runtime.hpp>
#include <overlap/core/shared_tasks.hpp>
#include <overlap/core/task_failure.hpp>
#include <overlap/process/process_usage.hpp>
#include <overlap/process/shared_memory.hpp>

#include <algorithm>
#include <atomic>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <linux/futex.h>
#include <new>
#include <span>
#include <sys/syscall.h>
#include <unistd.h>

namespace overlap::detail {

/// Sleeps while `word` has the value `seen`, or less long. The futex is not FUTEX_PRIVATE, whose
/// waiters are found by the address in one process only.
inline void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t seen) noexcept {
    ::syscall(SYS_futex, &word, FUTEX_WAIT, seen, nullptr, nullptr, 0);
}

inline void futex_wake_all(std::atomic<std::uint32_t>& word) noexcept {
    ::syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

/// Where one worker is. The worker writes, and the parent while the worker does not exist.
struct alignas(64) worker_record {
    static constexpr std::size_t no_task = task_failure::no_task;

    std::atomic<std::size_t> task{no_task};  ///< The task that it runs.
    std::atomic<std::uint32_t> finished{0};  ///< The last pass in which it did all it could.
    process_usage usage{};                   ///< As of the end of that pass.
    task_failure failure{};                  ///< The lowest index that threw, in this gather.
};

struct gather_description;

/// Runs the tasks of a range that are still waiting. Made by the pool for each type of body; the
/// same address in every process, since they are forks of one.
using run_range = void (*)(const gather_description& gather, std::byte* memory, task_range range,
                           worker_record& self) noexcept;

/// A gather, for those that run it. Its body, and each task's state and result, stand in memory
/// that grows, at these offsets.
struct gather_description {
    gather_description() = default;
    gather_description(std::size_t n, std::size_t body_size, std::size_t body_alignment,
                       std::size_t result_size, std::size_t result_alignment)
        : tasks(n) {
        memory_layout layout;
        body = layout.add(1, body_size, body_alignment);
        states = layout.add(n, sizeof(task_state), alignof(task_state));
        results = layout.add(n, result_size, result_alignment);
        memory_size = layout.size();
    }

    [[nodiscard]] std::span<task_state> states_in(std::byte* memory) const noexcept {
        return {reinterpret_cast<task_state*>(memory + states), tasks};
    }

    std::size_t tasks = 0;
    std::size_t body = 0;
    std::size_t states = 0;
    std::size_t results = 0;
    std::size_t memory_size = 0;
    run_range run = nullptr;
};

/// The memory that a pool and its workers share. A gather is one pass over its tasks, and one more
/// after each pass in which a worker died with tasks that it had taken and not begun: a pass runs
/// only those still waiting, so it may be repeated until none is.
class worker_memory {
public:
    explicit worker_memory(std::size_t workers)
        : workers_(workers), control_(sizeof(header) + workers * sizeof(worker_record)) {
        ::new (control_.data()) header;
        for (std::size_t i = 0; i < workers; ++i) ::new (&worker(i)) worker_record;
    }

    [[nodiscard]] worker_record& worker(std::size_t index) const noexcept {
        return reinterpret_cast<worker_record*>(control_.data() + sizeof(header))[index];
    }
    [[nodiscard]] std::uint32_t pass() const noexcept {
        return head().pass.load(std::memory_order_acquire);
    }
    [[nodiscard]] const gather_description& gather() const noexcept { return head().gather; }
    [[nodiscard]] std::byte* data() const noexcept { return tasks_.data(); }
    [[nodiscard]] std::span<task_state> states() const noexcept {
        return gather().states_in(data());
    }

    /// For the parent: makes room for a gather, with every task waiting.
    void describe(const gather_description& gather) {
        tasks_.grow(gather.memory_size);
        head().gather = gather;
        std::ranges::fill(states(), task_state::waiting);
        for (std::size_t i = 0; i < workers_; ++i) worker(i).failure.clear();
    }

    /// For the parent: begins a pass.
    void begin_pass() noexcept {
        head().left.reset(gather().tasks, workers_);
        head().pass.fetch_add(1, std::memory_order_release);
        futex_wake_all(head().pass);
    }

    /// For a worker: waits until there is a pass that it has not finished, and returns it.
    std::uint32_t wait_for_pass(const worker_record& self) const noexcept {
        const std::uint32_t finished = self.finished.load(std::memory_order_relaxed);
        while (pass() == finished) futex_wait(head().pass, finished);
        return pass();
    }

    /// For a worker: takes part in the pass. Throws limit_error when it cannot map what the parent
    /// has made.
    void run_tasks(worker_record& self) {
        const gather_description& job = head().gather;
        tasks_.view(job.memory_size);
        head().left.run_all(
            [&](task_range range) noexcept { job.run(job, tasks_.data(), range, self); });
        self.task.store(worker_record::no_task, std::memory_order_relaxed);
    }

    /// Whether every worker has finished the pass. Sequentially consistent, so that of the workers
    /// that ask after having finished, the last one certainly hears yes.
    [[nodiscard]] bool all_finished(std::uint32_t pass) const noexcept {
        for (std::size_t i = 0; i < workers_; ++i) {
            if (worker(i).finished.load() != pass) return false;
        }
        return true;
    }

private:
    struct header {
        gather_description gather;
        shared_tasks left;
        alignas(64) std::atomic<std::uint32_t> pass{0};
    };
    static_assert(sizeof(header) % alignof(worker_record) == 0);

    [[nodiscard]] header& head() const noexcept {
        return *reinterpret_cast<header*>(control_.data());
    }

    std::size_t workers_;
    shared_memory control_;
    shared_memory tasks_;
};

}  // namespace overlap::detail
