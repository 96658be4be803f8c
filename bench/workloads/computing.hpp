// Work for the processor that no compiler can shorten, and whose result can be checked.
#pragma once

#include "bench/harness/session.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace overlap::bench {

/// The value of leaf `index`: `steps` steps of xorshift32 (G. Marsaglia, "Xorshift RNGs", Journal
/// of Statistical Software 8, 2003: the triple 13, 17, 5) from index + 1.
[[nodiscard]] constexpr std::uint64_t leaf_value(std::size_t index, std::uint32_t steps) noexcept {
    auto state = static_cast<std::uint32_t>(index + 1);
    for (std::uint32_t step = 0; step < steps; ++step) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
    }
    return state;
}

/// The oracle: the sums of `count` tasks, each of `leaves` leaves that follow one another.
[[nodiscard]] inline std::vector<std::uint64_t> leaf_sums(std::size_t count, std::size_t leaves,
                                                          std::uint32_t steps) {
    std::vector<std::uint64_t> sums(count);
    for (std::size_t i = 0; i < count * leaves; ++i) sums[i / leaves] += leaf_value(i, steps);
    return sums;
}

/// Throws wrong_result at the first value that is not the oracle's. There are as many of both.
inline void expect_values(const std::vector<std::uint64_t>& values,
                          const std::vector<std::uint64_t>& expected) {
    const auto differ = std::mismatch(values.begin(), values.end(), expected.begin());
    if (differ.first == values.end()) return;
    throw wrong_result("result " + std::to_string(differ.first - values.begin()) + " is " +
                       std::to_string(*differ.first) + ", expected " +
                       std::to_string(*differ.second));
}

}  // namespace overlap::bench
