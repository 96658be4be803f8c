// The closed loop: every connection keeps exactly one message outstanding.
#pragma once

#include "options.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace overlap::load {

/// What a run measured. It exists only if every byte came back as it was sent.
struct load_result {
    std::size_t connections = 0;
    std::size_t bytes = 0;           ///< Per message.
    std::uint64_t bytes_echoed = 0;  ///< Counted as they came back.
    double wall_s = 0;               ///< From the first send to the last reply.
    double cpu_s = 0;                ///< The generator's own over wall_s, user and system.
    double outstanding_s = 0;        ///< Summed over connections: first send to last reply.
    double idle_s = 0;               ///< Of wall_s, what the generator spent waiting.
    std::vector<std::uint64_t> latencies_ns;  ///< One a message, in the order of the replies.
};

/// Connects, sends options.messages messages on each connection, each when the one before has come
/// back, and compares every byte. Ends each connection and waits for the server's end. Throws
/// usage_error or load_error; no step of the server is waited for longer than options.timeout.
load_result run_closed_loop(const load_options& options);

}  // namespace overlap::load
