// Messages that ask the server to compute something: which do, and how they say so.
#pragma once

#include "payload.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace overlap::load {

/// What some messages of a run ask for. Each begins with two numbers of 32 bits, the low byte first: how
/// many steps of xorshift32, and the state before them. In its answer the second is the state after them.
struct asked_work {
    std::uint32_t steps =
        0;  ///< Of a message that asks for any; 0: none does, or has such numbers.
    std::size_t one_in = 100;  ///< How many messages there are for one that asks, on average.

    static constexpr std::size_t least_bytes = 8;

    /// Drawn by the seed, independently of other messages.
    [[nodiscard]] bool is_asked_by(std::uint64_t seed, std::size_t connection,
                                   std::size_t message) const noexcept {
        constexpr std::uint64_t other_stream = 0xd6e8feb86659fd93U;
        if (steps == 0) return false;
        return mix(mix(seed ^ other_stream) ^ (std::uint64_t{connection} << 32U) ^ message) %
                   one_in ==
               0;
    }
};

inline constexpr std::size_t place_of_state = sizeof(std::uint32_t);

inline void write_steps(std::span<std::byte> message, std::uint32_t steps) noexcept {
    std::memcpy(message.data(), &steps, sizeof steps);
}

inline std::uint32_t state_in(std::span<const std::byte> message) noexcept {
    std::uint32_t state = 0;
    std::memcpy(&state, message.data() + place_of_state, sizeof state);
    return state;
}

}  // namespace overlap::load
