// A generator of one line that every language has the same numbers from.
#pragma once

#include <cstdint>

namespace overlap::bench {

/// SplitMix64's output function (S. Vigna, prng.di.unimi.it/splitmix64.c; after G. Steele, D. Lea and
/// C. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014): numbers drawn by index.
[[nodiscard]] constexpr std::uint64_t splitmix64(std::uint64_t state) noexcept {
    std::uint64_t z = state + 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

}  // namespace overlap::bench
