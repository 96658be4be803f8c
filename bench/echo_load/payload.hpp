// The bytes of a message: cheap to make, and different for every message of a run.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

namespace overlap::load {

/// Mixes 64 bits so that inputs one apart share nothing visible. It is a bijection, so different
/// inputs never meet. The finalizer of SplitMix64 (Steele, Lea, Flood: "Fast Splittable
/// Pseudorandom Number Generators", 2014) with Stafford's constants.
constexpr std::uint64_t mix(std::uint64_t x) noexcept {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

/// Fills `message` for one connection and sequence number. Its first word is unique among the 2^32
/// messages of each of 2^32 connections under one seed; the words after it walk from there by the
/// golden ratio (a Weyl sequence), which compilers turn into vector additions. Messages under 8
/// bytes are as different as their size allows.
inline void fill_message(std::span<std::byte> message, std::uint64_t seed, std::uint64_t connection,
                         std::uint64_t sequence) noexcept {
    constexpr std::uint64_t golden_ratio = 0x9e3779b97f4a7c15U;
    constexpr std::size_t word = sizeof(std::uint64_t);
    std::uint64_t value = mix(mix(seed) ^ (connection << 32U) ^ sequence);
    const std::size_t whole = message.size() / word;
    for (std::size_t i = 0; i < whole; ++i) {
        const std::uint64_t next = value + i * golden_ratio;
        std::memcpy(message.data() + i * word, &next, word);
    }
    value += whole * golden_ratio;
    const std::span<std::byte> rest = message.subspan(whole * word);
    if (!rest.empty()) std::memcpy(rest.data(), &value, std::min(rest.size(), word));
}

/// The first bytes of what a server said, in quotes, for somebody to recognize it; what is not
/// printable stands as a dot.
inline std::string quoted(std::span<const std::byte> said) {
    constexpr std::size_t longest = 40;
    std::string text = "\"";
    for (const std::byte each : said.first(std::min(said.size(), longest))) {
        const auto letter = static_cast<char>(each);
        text += letter >= ' ' && letter <= '~' ? letter : '.';
    }
    return text + (said.size() > longest ? "...\"" : "\"");
}

}  // namespace overlap::load
