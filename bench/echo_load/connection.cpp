#include "connection.hpp"

#include "payload.hpp"

#include <algorithm>

namespace overlap::load {

std::string heard(const connection& at, std::size_t message_size) {
    if (at.received == 0) return "no byte of this message";
    return std::to_string(at.received) + " of " + std::to_string(message_size) +
           " bytes of this message";
}

std::string why_so_little(const connection& at, const load_options& options, std::uint64_t now_ns) {
    const auto half_timeout = static_cast<std::uint64_t>(options.timeout.count() / 2);
    if (at.done == at.sent) {
        return " (only " + std::to_string(at.sent_of_next) +
               " could be sent: does the server read?)";
    }
    if (at.received == 0 && at.done == 0) {
        return " (does the server wait for the end of a line, or echo only whole buffers?)";
    }
    if (at.received > 0 && at.heard_ns + half_timeout > now_ns) return ", and more still come";
    if (at.received > 0 && at.last_byte == std::byte{'\n'}) {
        return ", the last of them the end of a line (does the server answer line by line?)";
    }
    return "";
}

std::string more_than_sent(std::span<const std::byte> reply, std::size_t excess) {
    return "more came back than was sent (extra bytes: " + std::to_string(excess) +
           "): " + quoted(reply) + "; not an echo server?";
}

std::string came_back_changed(std::span<const std::byte> reply, std::span<const std::byte> expected,
                              std::size_t offset) {
    const std::span<const std::byte> rest = expected.subspan(offset);
    const auto wrong = std::mismatch(reply.begin(), reply.end(), rest.begin(), rest.end()).first;
    const auto place = offset + static_cast<std::size_t>(wrong - reply.begin()) + 1;
    return "byte " + std::to_string(place) + " of " + std::to_string(expected.size()) +
           " came back changed: " + quoted(reply) + "; not an echo server?";
}

}  // namespace overlap::load
