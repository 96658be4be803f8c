// What producers and consumers tell each other beside the channel: how far each of them is.
#pragma once

#include "bench/workloads/channel/case.hpp"

#include <overlap/process/shared_memory.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>

namespace overlap::bench {

/// Counters in memory that processes share, each in a cache line of its own and written by one task.
class channel_board {
public:
    explicit channel_board(const channel_case& given)
        : producers_(given.producers), consumers_(given.consumers),
          memory_((given.task_count() + 1) * sizeof(counter)) {
        clear();
    }

    /// Before a run.
    void clear() noexcept {
        for (std::size_t i = 0; i <= producers_ + consumers_; ++i) {
            ::new (memory_.data() + i * sizeof(counter)) counter();
        }
    }

    void has_pushed(std::size_t producer, std::uint64_t count) const noexcept {
        at(producer).store(count, std::memory_order_release);
    }
    void has_popped(std::size_t consumer, std::uint64_t count) const noexcept {
        at(producers_ + consumer).store(count, std::memory_order_release);
    }
    /// Whether this was the last producer to end.
    [[nodiscard]] bool producer_ends() const noexcept {
        return at(producers_ + consumers_).fetch_add(1) + 1 == producers_;
    }

    /// How many elements were between producers and consumers, or fewer: what was pushed is read first. A
    /// consumer may have one more in its hand than it has noted.
    [[nodiscard]] std::uint64_t held() const noexcept {
        std::uint64_t pushed = 0;
        for (std::size_t i = 0; i < producers_; ++i)
            pushed += at(i).load(std::memory_order_acquire);
        for (std::size_t i = 0; i < consumers_; ++i) {
            const std::uint64_t popped = at(producers_ + i).load(std::memory_order_acquire);
            pushed -= popped < pushed ? popped : pushed;
        }
        return pushed;
    }

private:
    struct alignas(64) counter {
        std::atomic<std::uint64_t> value = 0;
    };

    [[nodiscard]] std::atomic<std::uint64_t>& at(std::size_t index) const noexcept {
        return reinterpret_cast<counter*>(memory_.data())[index].value;
    }

    std::size_t producers_;
    std::size_t consumers_;
    shared_memory memory_;
};

}  // namespace overlap::bench
