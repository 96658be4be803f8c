// When each task was in flight, for the traced run: from it come concurrency and its peak.
#pragma once

#include <overlap/core/error.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <sys/mman.h>
#include <time.h>
#include <utility>
#include <vector>

namespace overlap::bench {

/// When a task started and ended, on one clock.
struct flight_interval {
    std::int64_t start_ns;
    std::int64_t end_ns;
};

struct flight_summary {
    /// The sum of all spans: divided by the wall time it is the concurrency (J. Little, "A proof
    /// for the queuing formula L = lambda W", Operations Research 9, 1961).
    double spans_s = 0;
    std::size_t peak = 0;  ///< The most tasks that were in flight at one time.

    /// As a measuring process reports them.
    [[nodiscard]] std::map<std::string, double> figures() const {
        return {{"spans_s", spans_s}, {"peak_in_flight", static_cast<double>(peak)}};
    }
};

[[nodiscard]] inline flight_summary summarize(std::span<const flight_interval> intervals) {
    std::vector<std::int64_t> starts;
    std::vector<std::int64_t> ends;
    std::int64_t sum = 0;
    for (const flight_interval& each : intervals) {
        starts.push_back(each.start_ns);
        ends.push_back(each.end_ns);
        sum += each.end_ns - each.start_ns;
    }
    std::sort(starts.begin(), starts.end());
    std::sort(ends.begin(), ends.end());
    std::size_t landed = 0;
    std::size_t most = 0;
    for (std::size_t started = 0; started < starts.size(); ++started) {
        while (ends[landed] < starts[started]) ++landed;
        most = std::max(most, started + 1 - landed);
    }
    return {static_cast<double>(sum) * 1e-9, most};
}

/// Two tables of times a task, in memory that forked workers share. Made before the runtime is.
/// Any task in any process or thread may enter; the sums are for when all have ended.
class flight_log {
public:
    /// A task takes off when this is made and lands when it is destroyed. Tasks hold it as their
    /// last parameter, since parameters live for exactly as long as the task.
    class flight {
    public:
        explicit flight(flight_log& log) noexcept
            : interval_(
                  &log.intervals_[log.header_->count.fetch_add(1, std::memory_order_relaxed)]) {
            interval_->start_ns = clock_ns();
        }
        flight(flight&& other) noexcept : interval_(std::exchange(other.interval_, nullptr)) {}
        flight& operator=(flight&&) = delete;
        ~flight() {
            if (interval_ != nullptr) interval_->end_ns = clock_ns();
        }

    private:
        flight_interval* interval_;
    };

    /// Room for `capacity` tasks; pages are only taken as they are written. Throws
    /// std::system_error.
    explicit flight_log(std::size_t capacity)
        : size_(sizeof(header) + capacity * sizeof(flight_interval)),
          memory_(::mmap(nullptr, size_, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {
        if (memory_ == MAP_FAILED) throw_errno(errno, "mmap for the flight log");
        header_ = ::new (memory_) header{};
        intervals_ = reinterpret_cast<flight_interval*>(header_ + 1);
    }
    flight_log(const flight_log&) = delete;
    flight_log& operator=(const flight_log&) = delete;
    ~flight_log() { ::munmap(memory_, size_); }

    [[nodiscard]] flight enter() noexcept { return flight(*this); }

    [[nodiscard]] std::size_t tasks() const noexcept { return header_->count; }

    [[nodiscard]] flight_summary summary() const { return summarize(intervals()); }

    [[nodiscard]] std::span<const flight_interval> intervals() const noexcept {
        return {intervals_, header_->count.load()};
    }

private:
    struct header {
        std::atomic<std::size_t> count = 0;
    };
    /// CLOCK_MONOTONIC is one clock for all processes of a machine.
    static std::int64_t clock_ns() noexcept {
        timespec now{};
        ::clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec * 1'000'000'000 + now.tv_nsec;
    }

    std::size_t size_;
    void* memory_;
    header* header_ = nullptr;
    flight_interval* intervals_ = nullptr;
};

/// Stands in for a flight_log where nothing is to be recorded, and costs nothing.
struct no_log {
    struct flight {};
    [[nodiscard]] static flight enter() noexcept { return {}; }
};

}  // namespace overlap::bench
