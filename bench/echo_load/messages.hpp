// The messages of every connection, made when they are needed.
#pragma once

#include "options.hpp"
#include "payload.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace overlap::load {

/// Keeps two messages of each connection: the one that comes back and the one that leaves, unless
/// more of them are under way.
class message_store {
public:
    explicit message_store(const load_options& options)
        : seed_(options.seed), size_(options.bytes),
          bytes_(2 * options.connections * options.bytes),
          kept_(2 * options.connections, std::numeric_limits<std::size_t>::max()) {}

    /// Valid until another message of the connection is asked for.
    std::span<const std::byte> of(std::size_t connection, std::size_t message) {
        const std::size_t slot = 2 * connection + message % 2;
        const std::span<std::byte> bytes = std::span(bytes_).subspan(slot * size_, size_);
        if (kept_[slot] != message) {
            fill_message(bytes, seed_, connection, message);
            kept_[slot] = message;
        }
        return bytes;
    }

private:
    std::uint64_t seed_;
    std::size_t size_;
    std::vector<std::byte> bytes_;
    std::vector<std::size_t> kept_;  // which message is in a place
};

}  // namespace overlap::load
