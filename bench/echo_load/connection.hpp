// One connection of the generator, and what is said of a server that does not echo on it.
#pragma once

#include "options.hpp"

#include <overlap/core/socket.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace overlap::load {

struct connection {
    unique_descriptor socket;
    std::size_t index = 0;
    std::size_t messages = 0;      // in all
    std::size_t due = 0;           // of them, those that should have left
    std::size_t sent = 0;          // likewise, those that have
    std::size_t sent_of_next = 0;  // bytes
    std::size_t done = 0;          // messages that have come back
    std::size_t received = 0;      // bytes of the next
    std::uint64_t first_due_ns = 0;
    std::uint64_t due_ns = 0;       // when the last of those that are due was
    std::uint64_t heard_ns = 0;     // when bytes last came back
    std::uint64_t answered_ns = 0;  // when a whole message last did
    std::byte last_byte{};          // of those that came back
    bool ended = false;             // the server's end of file has been seen

    [[nodiscard]] bool is_finished() const noexcept { return done == messages; }

    /// Bytes that have left and not come back.
    [[nodiscard]] std::size_t under_way(std::size_t message_size) const noexcept {
        return (sent - done) * message_size + sent_of_next - received;
    }
};

/// How much of the message that is waited for has come back.
std::string heard(const connection& at, std::size_t message_size);

/// In brackets, what servers that are no echo servers, or not of this kind, do instead; or nothing.
std::string why_so_little(const connection& at, const load_options& options, std::uint64_t now_ns);

std::string more_than_sent(std::span<const std::byte> reply, std::size_t excess);

/// `reply` is not what `expected` has from `offset` on.
std::string came_back_changed(std::span<const std::byte> reply, std::span<const std::byte> expected,
                              std::size_t offset);

}  // namespace overlap::load
