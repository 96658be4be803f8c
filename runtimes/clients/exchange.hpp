// What is the same for every protocol that a client speaks: sending what it has to say, and reading
// until it has heard enough.
//
// A protocol is a class that neither waits nor knows any runtime:
//
//   protocol.done()          Whether the exchange is over.
//   protocol.to_send()       Bytes to send now; empty: it has to hear something first.
//   protocol.sent()          They have been sent.
//   protocol.room()          Where to put what comes.
//   protocol.received(size)  So many bytes came, 0 at the end of the stream. Throws what is wrong.
#pragma once

#include <overlap/core/runtime.hpp>
#include <overlap/coroutine/task.hpp>

#include <concepts>
#include <span>

namespace overlap {

/// Runs `protocol` over a connection until it is done. With a deadline, on a timed_runtime, no read waits
/// longer. Throws std::system_error, and what the protocol throws; the connection stays the caller's.
template <stackless_runtime Runtime, class Protocol, std::same_as<time_point>... Deadline>
task<void> exchange(Runtime& runtime, int connection, Protocol& protocol, Deadline... deadline) {
    while (!protocol.done()) {
        if (const auto bytes = protocol.to_send(); !bytes.empty()) {
            co_await runtime.write(connection, bytes);
            protocol.sent();
        } else {
            protocol.received(co_await runtime.read(connection, protocol.room(), deadline...));
        }
    }
}

template <direct_runtime Runtime, class Protocol, std::same_as<time_point>... Deadline>
void exchange(Runtime& runtime, int connection, Protocol& protocol, Deadline... deadline) {
    while (!protocol.done()) {
        if (const auto bytes = protocol.to_send(); !bytes.empty()) {
            runtime.write(connection, bytes);
            protocol.sent();
        } else {
            protocol.received(runtime.read(connection, protocol.room(), deadline...));
        }
    }
}

}  // namespace overlap
