// What sends the load: one thread, all connections.
#pragma once

#include "options.hpp"
#include "schedule.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace overlap::load {

/// What a run measured. It exists only if every byte came back as it was sent.
struct load_result {
    std::size_t connections = 0;
    std::size_t bytes = 0;           ///< Per message.
    std::uint32_t work = 0;          ///< Steps of xorshift32 of those messages that ask for any.
    std::uint64_t bytes_echoed = 0;  ///< Counted as they came back.
    double wall_s = 0;               ///< From the start to the last reply.
    double cpu_s = 0;                ///< The generator's own over wall_s, user and system.
    double outstanding_s = 0;        ///< Summed over connections: first send to last reply.
    double idle_share = 0;           ///< Of the time until the last send, what was spent waiting.
    schedule due;                    ///< Of an open loop.
    /// One a message. Of a closed loop in the order of the replies; of an open one in the order in
    /// which messages are due, and counted from then.
    std::vector<std::uint64_t> latencies_ns;
    std::vector<bool> asks;  ///< Of an open loop, like latencies_ns: for work. Empty: none does.
    std::vector<std::uint64_t> lateness_ns;  ///< Of an open loop: due until about to be sent.
};

/// Connects, sends all messages, and compares every byte that comes back. A closed loop sends the
/// next message on a connection when the one before has come back, an open one when it is due. Ends
/// each connection and waits for the server's end. Throws usage_error or load_error; no step of the
/// server is waited for longer than options.timeout, nor are replies after the last was due.
load_result run_load(const load_options& options);

}  // namespace overlap::load
