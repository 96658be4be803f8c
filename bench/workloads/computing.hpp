// Work for the processor that no compiler can shorten, and whose result can be checked.
#pragma once

#include <cstddef>
#include <cstdint>

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

}  // namespace overlap::bench
