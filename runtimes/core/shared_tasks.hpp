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

/// At most `wanted` of the `left` tasks, and fewer towards the end: never more than half of a fair
/// share, as in guided self-scheduling (Polychronopoulos and Kuck, 1987), or a worker that met long
/// tasks late would keep all others waiting. At least 1.
[[nodiscard]] inline std::size_t guided_size(std::size_t wanted, std::size_t left,
                                             std::size_t workers) noexcept {
    return std::min(wanted, std::max<std::size_t>(1, left / (2 * workers)));
}

/// How long the tasks that a worker takes at once may last: a clock read and a contended counter
/// cost some 0.1 us together, 0.5% of this.
inline constexpr std::chrono::nanoseconds default_chunk_time{20'000};

namespace detail {
inline std::size_t next_chunk(std::size_t size, std::chrono::nanoseconds lasted,
                              std::chrono::nanoseconds chunk_time) noexcept {
    const auto spent = static_cast<std::uint64_t>(std::max<std::int64_t>(lasted.count(), 1));
    const auto affordable = static_cast<std::uint64_t>(chunk_time.count()) * size / spent;
    return std::clamp<std::size_t>(affordable, 1, 2 * size);
}
}  // namespace detail

/// Calls run(range) for each range that take(wanted) returns, until it returns an empty one. Chunks
/// start at one task and grow while they last less than `chunk_time`, so that tasks which wait or
/// compute for longer are dealt out one by one, and a million empty ones cost next to nothing to
/// deal out.
template <class Take, class Run>
void run_in_chunks(Take take, Run run,
                   std::chrono::nanoseconds chunk_time =
                       default_chunk_time) noexcept(noexcept(take(std::size_t{})) &&
                                                    noexcept(run(task_range{}))) {
    using clock = std::chrono::steady_clock;
    std::size_t wanted = 1;
    auto before = clock::now();
    for (task_range range = take(wanted); !range.empty(); range = take(wanted)) {
        run(range);
        const auto after = clock::now();
        wanted = detail::next_chunk(range.last - range.first, after - before, chunk_time);
        before = after;
    }
}

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

    /// Takes guided_size() of what is left; empty when none is.
    [[nodiscard]] task_range take(std::size_t wanted) noexcept {
        // The counter passes the end by one chunk a worker at most, so it cannot wrap around.
        const std::size_t seen = next_.load(std::memory_order_relaxed);
        if (seen >= tasks_) return {};
        const std::size_t size = guided_size(wanted, tasks_ - seen, workers_);
        const std::size_t first = next_.fetch_add(size, std::memory_order_relaxed);
        return {std::min(first, tasks_), std::min(first + size, tasks_)};
    }

    /// What each worker does: calls run(range) until no task is left.
    template <class Run>
    void run_all(Run run) noexcept(noexcept(run(task_range{}))) {
        run_in_chunks([this](std::size_t wanted) noexcept { return take(wanted); }, run);
    }

private:
    static_assert(std::atomic<std::size_t>::is_always_lock_free, "must work between processes");
    std::size_t tasks_ = 0;
    std::size_t workers_ = 1;
    alignas(64) std::atomic<std::size_t> next_{0};  // A cache line that readers do not share.
};

}  // namespace overlap
