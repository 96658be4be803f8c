// The ping_pong workload: pairs of tasks that hand a number to each other, and so wake each other.
#pragma once

#include "bench/workloads/computing.hpp"
#include "bench/workloads/ping_pong/case.hpp"

#include <overlap/core/runtime.hpp>
#include <overlap/coroutine/task.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace overlap::bench {

/// What goes to and fro: a state of xorshift32, a step further with each who has had it.
struct ball {
    std::uint32_t state;
};

/// Whoever serves has the ball first and last, and returns its state.
template <stackless_runtime Runtime, class Channel, class Flight>
task<std::uint64_t> play(Runtime&, Channel& from, Channel& to, std::optional<ball> served,
                         std::uint32_t rounds, Flight) {
    const bool serves = served.has_value();
    std::optional<ball> held = served;
    for (std::uint32_t round = 0; round < rounds; ++round) {
        if (!held) held = co_await from.pop();
        step_xorshift32(held.value().state);
        co_await to.push(*held);
        held.reset();
    }
    if (serves) held = co_await from.pop();
    co_return held.value_or(ball{0}).state;
}

template <direct_runtime Runtime, class Channel, class Flight>
std::uint64_t play(Runtime&, Channel& from, Channel& to, std::optional<ball> served,
                   std::uint32_t rounds, Flight) {
    const bool serves = served.has_value();
    std::optional<ball> held = served;
    for (std::uint32_t round = 0; round < rounds; ++round) {
        if (!held) held = from.pop();
        step_xorshift32(held.value().state);
        to.push(*held);
        held.reset();
    }
    if (serves) held = from.pop();
    return held.value_or(ball{0}).state;
}

/// Two players, with a channel for each way.
template <stackless_runtime Runtime, class Log, class Flight>
task<std::uint64_t> play_pair(Runtime& runtime, std::uint32_t state, std::uint32_t rounds, Log& log,
                              Flight) {
    auto there = runtime.template make_channel<ball>(1);
    auto back = runtime.template make_channel<ball>(1);
    const auto ends = co_await runtime.gather(2, [&, state, rounds](std::size_t player) {
        if (player == 0) {
            return play(runtime, back, there, std::optional(ball{state}), rounds, log.enter());
        }
        return play(runtime, there, back, std::optional<ball>(), rounds, log.enter());
    });
    co_return ends.front();
}

template <direct_runtime Runtime, class Log, class Flight>
std::uint64_t play_pair(Runtime& runtime, std::uint32_t state, std::uint32_t rounds, Log& log,
                        Flight) {
    auto there = runtime.template make_channel<ball>(1);
    auto back = runtime.template make_channel<ball>(1);
    const auto ends = runtime.gather(2, [&, state, rounds](std::size_t player) {
        if (player == 0) {
            return play(runtime, back, there, std::optional(ball{state}), rounds, log.enter());
        }
        return play(runtime, there, back, std::optional<ball>(), rounds, log.enter());
    });
    return ends.front();
}

template <stackless_runtime Runtime, class Log>
task<std::vector<std::uint64_t>> play_all(Runtime& runtime, const ping_pong_case& given,
                                          std::uint32_t seed, Log& log) {
    co_return co_await runtime.gather(given.pairs, [&, seed](std::size_t pair) {
        return play_pair(runtime, leaf_state(seed, pair), given.rounds, log, log.enter());
    });
}

template <direct_runtime Runtime, class Log>
std::vector<std::uint64_t> play_all(Runtime& runtime, const ping_pong_case& given,
                                    std::uint32_t seed, Log& log) {
    return runtime.gather(given.pairs, [&, seed](std::size_t pair) {
        return play_pair(runtime, leaf_state(seed, pair), given.rounds, log, log.enter());
    });
}

/// For runtimes without channels.
template <stackless_runtime Runtime>
task<std::vector<std::uint64_t>> play_none(Runtime&) {
    co_return std::vector<std::uint64_t>();
}

template <direct_runtime Runtime>
std::vector<std::uint64_t> play_none(Runtime&) {
    return std::vector<std::uint64_t>();
}

}  // namespace overlap::bench
