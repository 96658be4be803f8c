// How workers share the tasks of one gather: each takes a chunk of consecutive indices at a time
// from one counter, in time with how long its tasks last.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace overlap {

/// Consecutive tasks: first, first + 1, ..., last - 1.
struct task_range {
    std::size_t first = 0;
    std::size_t last = 0;
    [[nodiscard]] bool empty() const noexcept { return first >= last; }
};

/// The tasks that no worker has taken yet. Holds no pointer, so it works in memory that processes
/// share. All but reset() may be called by all workers at once.
class shared_tasks {
public:
    shared_tasks() = default;
    shared_tasks(std::size_t tasks, std::size_t workers) noexcept { reset(tasks, workers); }

    /// Begins again with tasks 0 .. tasks - 1; no worker may be taking any.
    void reset(std::size_t tasks, std::size_t workers) noexcept {
        tasks_ = tasks;
        workers_ = workers;
        next_.store(0, std::memory_order_relaxed);
    }

    /// At most `wanted` tasks, and fewer towards the end: never more than half of a fair share of
    /// what is left, as in guided self-scheduling (Polychronopoulos and Kuck, 1987), or a worker
    /// that met long tasks late would keep all others waiting. Empty when none is left.
    [[nodiscard]] task_range take(std::size_t wanted) noexcept {
        // The counter passes the end by one chunk a worker at most, so it cannot wrap around.
        const std::size_t seen = next_.load(std::memory_order_relaxed);
        if (seen >= tasks_) return {};
        const std::size_t fair = std::max<std::size_t>(1, (tasks_ - seen) / (2 * workers_));
        const std::size_t size = std::min(wanted, fair);
        const std::size_t first = next_.fetch_add(size, std::memory_order_relaxed);
        return {std::min(first, tasks_), std::min(first + size, tasks_)};
    }

    /// What each worker does: calls run(range) until no task is left. Chunks start at one task and
    /// grow while they last less than `chunk_time`, so that tasks which wait or compute for longer
    /// are dealt out one by one, and a million empty ones cost next to nothing to deal out.
    template <class Run>
    void run_all(Run run) noexcept(noexcept(run(task_range{}))) {
        using clock = std::chrono::steady_clock;
        std::size_t wanted = 1;
        auto before = clock::now();
        for (task_range range = take(wanted); !range.empty(); range = take(wanted)) {
            run(range);
            const auto after = clock::now();
            wanted = next_size(range.last - range.first, after - before);
            before = after;
        }
    }

private:
    /// A clock read and a contended counter cost some 0.1 us together: 0.5% of this.
    static constexpr std::chrono::nanoseconds chunk_time{20'000};

    static std::size_t next_size(std::size_t size, std::chrono::nanoseconds lasted) noexcept {
        const auto spent = static_cast<std::uint64_t>(std::max<std::int64_t>(lasted.count(), 1));
        const auto affordable = static_cast<std::uint64_t>(chunk_time.count()) * size / spent;
        return std::clamp<std::size_t>(affordable, 1, 2 * size);
    }

    static_assert(std::atomic<std::size_t>::is_always_lock_free, "must work between processes");
    std::size_t tasks_ = 0;
    std::size_t workers_ = 1;
    alignas(64) std::atomic<std::size_t> next_{0};  // A cache line that readers do not share.
};

}  // namespace overlap
