// The tasks of a gather that no rank has taken yet: a counter in the memory of rank 0.
#pragma once

#include <overlap/core/blocking_calls.hpp>
#include <overlap/core/shared_tasks.hpp>
#include <overlap/mpi/mpi_call.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mpi.h>
#include <mutex>
#include <stop_token>
#include <sys/prctl.h>
#include <thread>

namespace overlap::detail {

/// What each rank has of the counter. A rank takes a range with one MPI_Fetch_and_op, whoever is
/// busy with what, where ranks share memory. Over a network most implementations serve it only while
/// rank 0 is inside MPI; whether this one does is tried when the counter is made, and if so a thread
/// of rank 0 goes there every now and then for as long as a gather lasts.
class index_counter {
public:
    /// `workers` take ranges, of all ranks together. All ranks make it together.
    index_counter(const rank_group& ranks, std::size_t workers) : ranks_(ranks), workers_(workers) {
        std::uint64_t* memory = nullptr;
        const MPI_Aint bytes = ranks_.is_root() ? counters * stride : 0;
        check_mpi(MPI_Win_allocate(bytes, 1, MPI_INFO_NULL, ranks_.get(),
                                   static_cast<void*>(&memory), &window_),
                  "MPI_Win_allocate for the counter of tasks");
        check_mpi(MPI_Win_lock_all(MPI_MODE_NOCHECK, window_), "MPI_Win_lock_all");
        if (ranks_.is_root()) {
            for (int each = 0; each < counters; ++each) reset(each);
        }
        check_mpi(MPI_Barrier(ranks_.get()), "MPI_Barrier");
        if (ranks_.size() == 1) return;
        if (is_held_up_by_a_busy_root() && ranks_.is_root()) {
            helper_ = std::jthread([this](const std::stop_token& stop) { visit_mpi(stop); });
        }
        choose_chunk_time();
    }
    index_counter(const index_counter&) = delete;
    index_counter& operator=(const index_counter&) = delete;
    ~index_counter() {
        helper_.request_stop();
        set_active(true);  // Wakes it up.
        if (helper_.joinable()) helper_.join();
        MPI_Win_unlock_all(window_);
        MPI_Win_free(&window_);
    }

    /// How long the tasks of one range may last.
    [[nodiscard]] std::chrono::nanoseconds chunk_time() const noexcept { return chunk_time_; }

    /// Begins a gather of n tasks. A rank may begin before others do: what they need of the last
    /// gather is in the other counter.
    void begin(std::size_t n) {
        tasks_ = n;
        seen_ = 0;
        current_ = 1 - current_;
        set_active(true);
    }

    /// Takes guided_size() of what was left when this rank last looked; empty when nothing is left.
    /// Any thread of the rank may call.
    [[nodiscard]] task_range take(std::size_t wanted) {
        const std::lock_guard lock(mutex_);
        if (seen_ >= tasks_) return {};
        const std::size_t size = guided_size(wanted, tasks_ - seen_, workers_);
        const std::size_t first = add(current_, size);
        seen_ = first + size;
        return {std::min(first, tasks_), std::min(first + size, tasks_)};
    }

    /// Ends this rank's part of the gather. After it all ranks have to meet before one begins the
    /// next: rank 0 has made the other counter ready by then.
    void end() {
        set_active(false);
        const std::lock_guard lock(mutex_);  // The helper may be inside MPI still.
        if (ranks_.is_root()) reset(1 - current_);
    }

private:
    static constexpr int counters = 2;
    static constexpr MPI_Aint stride = 64;
    static constexpr std::chrono::milliseconds root_is_away{30};

    [[nodiscard]] std::uint64_t add(int counter, std::uint64_t size) {
        return fetch(counter, size, MPI_SUM);
    }
    void reset(int counter) { fetch(counter, 0, MPI_REPLACE); }

    std::uint64_t fetch(int counter, std::uint64_t operand, MPI_Op how) {
        std::uint64_t before = 0;
        check_mpi(
            MPI_Fetch_and_op(&operand, &before, MPI_UINT64_T, 0, counter * stride, how, window_),
            "MPI_Fetch_and_op");
        check_mpi(MPI_Win_flush(0, window_), "MPI_Win_flush");
        return before;
    }

    static void nap(std::chrono::nanoseconds length) {
        blocking_calls::sleep_until(blocking_calls::now() + length);
    }

    /// Rank 0 stays out of MPI for a while; the others try the counter meanwhile.
    bool is_held_up_by_a_busy_root() {
        int held_up = 0;
        if (ranks_.is_root()) {
            nap(root_is_away);
        } else {
            nap(root_is_away / 10);  // Until rank 0 has left the barrier for certain.
            const auto start = blocking_calls::now();
            static_cast<void>(add(0, 0));
            held_up = blocking_calls::now() - start > root_is_away / 3 ? 1 : 0;
        }
        check_mpi(MPI_Allreduce(MPI_IN_PLACE, &held_up, 1, MPI_INT, MPI_MAX, ranks_.get()),
                  "MPI_Allreduce");
        return held_up != 0;
    }

    /// Long enough for taking a range to cost at most a twentieth of it.
    void choose_chunk_time() {
        constexpr int tries = 16;
        std::int64_t most_ns = 0;
        if (!ranks_.is_root()) {
            const auto start = blocking_calls::now();
            for (int i = 0; i < tries; ++i) static_cast<void>(add(0, 0));
            most_ns = nanoseconds(blocking_calls::now() - start).count() / tries;
        }
        check_mpi(MPI_Allreduce(MPI_IN_PLACE, &most_ns, 1, MPI_INT64_T, MPI_MAX, ranks_.get()),
                  "MPI_Allreduce");
        chunk_time_ = std::clamp<std::chrono::nanoseconds>(
            20 * nanoseconds(most_ns), default_chunk_time, std::chrono::milliseconds(2));
    }

    void set_active(bool active) {
        if (!helper_.joinable()) return;
        active_.store(active);
        active_.notify_one();
    }

    /// The helper's life. Asking for messages is how MPI is made to serve what others want of it.
    void visit_mpi(const std::stop_token& stop) {
        constexpr std::chrono::microseconds between_visits{30};
        ::prctl(PR_SET_TIMERSLACK, 1UL);  // Naps are not rounded up by the usual 50 us.
        while (!stop.stop_requested()) {
            active_.wait(false);
            {
                const std::lock_guard lock(mutex_);
                int any = 0;
                MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, ranks_.get(), &any, MPI_STATUS_IGNORE);
            }
            nap(between_visits);
        }
    }

    const rank_group& ranks_;
    std::size_t workers_;
    MPI_Win window_ = MPI_WIN_NULL;
    std::chrono::nanoseconds chunk_time_ = default_chunk_time;
    std::size_t tasks_ = 0;
    std::size_t seen_ = 0;  // What the counter had reached when this rank last looked.
    int current_ = 0;
    std::mutex mutex_;  // Of all calls of MPI while a gather's tasks run.
    std::atomic<bool> active_ = false;
    std::jthread helper_;
};

}  // namespace overlap::detail
