// The channel workload: producers push numbered elements, consumers pop them.
#pragma once

#include "bench/workloads/channel/board.hpp"
#include "bench/workloads/channel/case.hpp"

#include <overlap/core/runtime.hpp>
#include <overlap/coroutine/task.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace overlap::bench {

struct element {
    std::uint32_t producer;
    std::uint32_t number;  ///< From 0, in the order in which its producer pushes.
};

/// What a task of this workload returns. `value` is of producers the most elements that they have seen
/// in the channel, of consumers the sum of what they have popped; `other` of producers the longest time
/// in nanoseconds for which the channel was full, of consumers how many elements came out of order.
struct traffic {
    std::uint64_t elements = 0;
    std::uint64_t value = 0;
    std::int64_t other = 0;
};

/// What an element counts in the sum, modulo 2^64.
constexpr std::uint64_t element_value(const channel_case& given, std::uint32_t seed,
                                      const element& which) noexcept {
    return seed + which.producer * std::uint64_t{given.elements} + which.number;
}

/// What a consumer notes of an element. `next` is what it expects of each producer at least.
inline void count_element(traffic& seen, std::vector<std::uint32_t>& next,
                          const channel_case& given, std::uint32_t seed,
                          const element& which) noexcept {
    ++seen.elements;
    seen.value += element_value(given, seed, which);
    if (which.number < next[which.producer]) ++seen.other;
    next[which.producer] = which.number + 1;
}

/// Reads the clock only where it has to wait.
template <stackless_runtime Runtime, class Channel, class Flight>
task<traffic> produce(Runtime& runtime, const channel_case& given, Channel& channel,
                      const channel_board& board, std::size_t producer, Flight) {
    traffic seen;
    while (seen.elements < given.elements) {
        element next{static_cast<std::uint32_t>(producer),
                     static_cast<std::uint32_t>(seen.elements)};
        if (!channel.try_push(next)) {
            const time_point full = runtime.now();
            seen.value = std::max(seen.value, board.held());
            co_await channel.push(next);
            seen.other = std::max(seen.other, nanoseconds(runtime.now() - full).count());
        }
        board.has_pushed(producer, ++seen.elements);
    }
    seen.value = std::max(seen.value, board.held());
    if (board.producer_ends()) channel.close();
    co_return seen;
}

template <direct_runtime Runtime, class Channel, class Flight>
traffic produce(Runtime& runtime, const channel_case& given, Channel& channel,
                const channel_board& board, std::size_t producer, Flight) {
    traffic seen;
    while (seen.elements < given.elements) {
        element next{static_cast<std::uint32_t>(producer),
                     static_cast<std::uint32_t>(seen.elements)};
        if (!channel.try_push(next)) {
            const time_point full = runtime.now();
            seen.value = std::max(seen.value, board.held());
            channel.push(next);
            seen.other = std::max(seen.other, nanoseconds(runtime.now() - full).count());
        }
        board.has_pushed(producer, ++seen.elements);
    }
    seen.value = std::max(seen.value, board.held());
    if (board.producer_ends()) channel.close();
    return seen;
}

/// Consumer 0 is the slow one, if there is one.
template <stackless_runtime Runtime, class Channel, class Flight>
task<traffic> consume(Runtime& runtime, const channel_case& given, std::uint32_t seed,
                      Channel& channel, const channel_board& board, std::size_t consumer, Flight) {
    traffic seen;
    std::vector<std::uint32_t> expected(given.producers);
    while (const std::optional<element> got = co_await channel.pop()) {
        count_element(seen, expected, given, seed, *got);
        board.has_popped(consumer, seen.elements);
        if (consumer == 0 && given.slow.count() != 0) {
            co_await runtime.sleep_until(runtime.now() + given.slow);
        }
    }
    co_return seen;
}

template <direct_runtime Runtime, class Channel, class Flight>
traffic consume(Runtime& runtime, const channel_case& given, std::uint32_t seed, Channel& channel,
                const channel_board& board, std::size_t consumer, Flight) {
    traffic seen;
    std::vector<std::uint32_t> expected(given.producers);
    while (const std::optional<element> got = channel.pop()) {
        count_element(seen, expected, given, seed, *got);
        board.has_popped(consumer, seen.elements);
        if (consumer == 0 && given.slow.count() != 0) {
            runtime.sleep_until(runtime.now() + given.slow);
        }
    }
    return seen;
}

/// Tasks 0 to producers - 1 push, the others pop. What is passed by reference must have existed when the
/// runtime was made, for the sake of worker processes.
template <stackless_runtime Runtime, class Channel, class Log>
task<std::vector<traffic>> pass_through(Runtime& runtime, const channel_case& given,
                                        std::uint32_t seed, Channel& channel,
                                        const channel_board& board, Log& log) {
    co_return co_await runtime.gather(given.task_count(), [&, seed](std::size_t index) {
        if (index < given.producers) {
            return produce(runtime, given, channel, board, index, log.enter());
        }
        return consume(runtime, given, seed, channel, board, index - given.producers, log.enter());
    });
}

template <direct_runtime Runtime, class Channel, class Log>
std::vector<traffic> pass_through(Runtime& runtime, const channel_case& given, std::uint32_t seed,
                                  Channel& channel, const channel_board& board, Log& log) {
    return runtime.gather(given.task_count(), [&, seed](std::size_t index) {
        if (index < given.producers) {
            return produce(runtime, given, channel, board, index, log.enter());
        }
        return consume(runtime, given, seed, channel, board, index - given.producers, log.enter());
    });
}

/// The same through a channel that the runtime makes.
template <stackless_runtime Runtime, class Log>
task<std::vector<traffic>> pass_all(Runtime& runtime, const channel_case& given, std::uint32_t seed,
                                    const channel_board& board, Log& log) {
    auto channel = runtime.template make_channel<element>(given.capacity);
    co_return co_await pass_through(runtime, given, seed, channel, board, log);
}

template <direct_runtime Runtime, class Log>
std::vector<traffic> pass_all(Runtime& runtime, const channel_case& given, std::uint32_t seed,
                              const channel_board& board, Log& log) {
    auto channel = runtime.template make_channel<element>(given.capacity);
    return pass_through(runtime, given, seed, channel, board, log);
}

}  // namespace overlap::bench
