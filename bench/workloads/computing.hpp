// Work for the processor that no compiler can shorten, and whose result can be checked.
#pragma once

#include "bench/harness/session.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>

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

/// Sums modulo 2^64.
[[nodiscard]] inline std::uint64_t sum_of(std::span<const std::uint64_t> values) noexcept {
    return std::accumulate(values.begin(), values.end(), std::uint64_t{0});
}

/// The oracle: the values of leaves that follow one another. It works them out side by side, many times
/// as fast as one by one, since it does so anew for each run.
class leaf_oracle {
public:
    leaf_oracle(std::uint32_t seed, std::uint32_t steps) noexcept : seed_(seed), steps_(steps) {}

    /// Of the next leaf, from leaf 0 on.
    std::uint64_t next() noexcept {
        if (used_ == lanes) compute_more();
        return values_[used_++];
    }

    /// The sum of the next `leaves` leaves, modulo 2^64.
    std::uint64_t next_sum(std::size_t leaves) noexcept {
        std::uint64_t sum = 0;
        for (std::size_t leaf = 0; leaf < leaves; ++leaf) sum += next();
        return sum;
    }

private:
    static constexpr std::size_t lanes = 16;

    void compute_more() noexcept {
        std::array<std::uint32_t, lanes> states;
        std::iota(states.begin(), states.end(), seed_);
        seed_ += lanes;
        for (std::uint32_t step = 0; step < steps_; ++step) {
            for (std::uint32_t& state : states) step_xorshift32(state);
        }
        values_ = states;
        used_ = 0;
    }

    std::uint32_t seed_;
    std::uint32_t steps_;
    std::array<std::uint32_t, lanes> values_{};
    std::size_t used_ = lanes;
};

/// Throws wrong_result at the first value that is not the oracle's: each is the sum of `leaves` leaves
/// that follow one another.
template <class Oracle>
void expect_sums(std::span<const std::uint64_t> values, std::size_t leaves, Oracle oracle) {
    for (std::size_t i = 0; i < values.size(); ++i) {
        const std::uint64_t expected = oracle.next_sum(leaves);
        if (values[i] == expected) continue;
        throw wrong_result("result " + std::to_string(i) + " is " + std::to_string(values[i]) +
                           ", expected " + std::to_string(expected));
    }
}

}  // namespace overlap::bench
