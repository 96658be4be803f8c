// What the two ends of a channel note, whichever channel it is: bench/README.md says what counts. For
// runtimes on one thread.
#pragma once

#include "cases.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

/// How far producers and consumers are, all of them together.
struct channel_board {
    std::uint64_t pushed = 0;
    std::uint64_t popped = 0;
    std::size_t producers_ended = 0;
};

/// What one producer sees.
class producer_notes {
public:
    producer_notes(const channel_case& spec, channel_board& board, std::size_t producer)
        : spec_(spec), board_(board), producer_(static_cast<std::uint32_t>(producer)) {}

    [[nodiscard]] bool has_more() const { return seen_.elements < spec_.elements; }
    [[nodiscard]] element next() const {
        return {.producer = producer_, .number = static_cast<std::uint32_t>(seen_.elements)};
    }
    /// The channel is full; to be followed by waited().
    void waits() {
        full_since_ = std::chrono::steady_clock::now();
        see();
    }
    void waited() {
        const std::chrono::nanoseconds gap = std::chrono::steady_clock::now() - full_since_;
        seen_.other = std::max<std::int64_t>(seen_.other, gap.count());
    }
    void pushed() {
        ++seen_.elements;
        ++board_.pushed;
    }
    /// Whether this was the last producer to end.
    bool ends() {
        see();
        return ++board_.producers_ended == spec_.producers;
    }
    [[nodiscard]] traffic result() const { return seen_; }

private:
    void see() { seen_.value = std::max(seen_.value, board_.pushed - board_.popped); }

    const channel_case& spec_;
    channel_board& board_;
    const std::uint32_t producer_;
    traffic seen_{};
    std::chrono::steady_clock::time_point full_since_;
};

/// What one consumer sees.
class consumer_notes {
public:
    consumer_notes(const channel_case& spec, channel_board& board, std::size_t consumer)
        : spec_(spec), board_(board), slow_(consumer == 0 ? spec.slow_ns : 0),
          expected_(spec.producers) {}

    void popped(const element& got) {
        ++board_.popped;
        ++seen_.elements;
        seen_.value += spec_.seed + got.producer * std::uint64_t{spec_.elements} + got.number;
        if (got.number < expected_[got.producer]) ++seen_.other;
        expected_[got.producer] = got.number + 1;
    }
    /// For how long it sleeps now.
    [[nodiscard]] std::chrono::nanoseconds slow() const { return slow_; }
    [[nodiscard]] traffic result() const { return seen_; }

private:
    const channel_case& spec_;
    channel_board& board_;
    const std::chrono::nanoseconds slow_;
    traffic seen_{};
    std::vector<std::uint32_t> expected_;
};
