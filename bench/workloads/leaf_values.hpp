// Steps of xorshift32: work for the processor that no compiler can shorten.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace overlap::bench {

/// What leaf `index` of a run begins with; modulo 2^32. A run's seed is new, so that nobody knows what
/// comes out before it has been computed.
[[nodiscard]] constexpr std::uint32_t leaf_state(std::uint32_t seed, std::size_t index) noexcept {
    return static_cast<std::uint32_t>(seed + index);
}

/// One step of xorshift32 (G. Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8, 2003: the
/// triple 13, 17, 5).
constexpr void step_xorshift32(std::uint32_t& state) noexcept {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
}

/// The value of the leaf that begins with `state`: where `steps` steps of xorshift32 lead.
[[nodiscard]] constexpr std::uint64_t leaf_value(std::uint32_t state,
                                                 std::uint32_t steps) noexcept {
    for (std::uint32_t step = 0; step < steps; ++step) step_xorshift32(state);
    return state;
}

inline constexpr std::size_t leaf_lanes = 16;

/// Takes each state `steps` steps on, side by side: many times as fast as one by one.
inline void step_all(std::array<std::uint32_t, leaf_lanes>& states, std::uint32_t steps) noexcept {
    for (std::uint32_t step = 0; step < steps; ++step) {
        for (std::uint32_t& state : states) step_xorshift32(state);
    }
}

/// The same for any number of states.
inline void step_all(std::span<std::uint32_t> states, std::uint32_t steps) noexcept {
    while (!states.empty()) {
        std::array<std::uint32_t, leaf_lanes> lanes{};
        const auto some = states.first(std::min(states.size(), leaf_lanes));
        std::copy(some.begin(), some.end(), lanes.begin());
        step_all(lanes, steps);
        std::copy_n(lanes.begin(), some.size(), some.begin());
        states = states.subspan(some.size());
    }
}

}  // namespace overlap::bench
