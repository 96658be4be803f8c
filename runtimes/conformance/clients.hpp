// Clients for the servers that rules run: in a process of their own, made of plain system calls.
#pragma once

#include <overlap/conformance/violation.hpp>
#include <overlap/core/child_process.hpp>
#include <overlap/core/error.hpp>
#include <overlap/core/socket.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace overlap::conformance {

/// Runs `work` in a forked process. Fork it before the runtime under test exists, which may have
/// threads; the connections that wait for that runtime stand in the listener's queue.
class client_process {
public:
    template <class Work>
    explicit client_process(Work work)
        : child_(child_process::in_group([&work] {
              work();
              return 0;
          })) {}

    /// Waits for the end, and throws a violation unless `work` returned.
    void expect_success() {
        expect_equal(child_.wait(), 0, "status of the client, whose own words are on stderr");
    }

private:
    child_process child_;
};

/// Connects a blocking socket to a loopback port, with buffers so small that neither end can get
/// rid of much at once.
inline unique_descriptor connect_narrowly(std::uint16_t port) {
    const endpoint where(port);
    unique_descriptor client(
        check_errno(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
    const int size = 65'536;
    ::setsockopt(client.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    ::setsockopt(client.get(), SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    check_errno(::connect(client.get(), where.data(), endpoint::size()), "connect");
    return client;
}

/// The byte at a place of what clients send: no period that divides a buffer's size.
inline std::byte byte_at(std::size_t place) noexcept {
    return static_cast<std::byte>(place * 31 % 251);
}

/// Sends `size` bytes and says that these were all; throws unless the same bytes come back and then
/// the end. Reads only when nothing can be sent, so that the server, too, gets stuck in its writes.
inline void exchange_bytes(std::uint16_t port, std::size_t size) {
    const unique_descriptor client = connect_narrowly(port);
    std::array<std::byte, 8'192> chunk;
    std::size_t sent = 0;
    std::size_t received = 0;
    if (size == 0) check_errno(::shutdown(client.get(), SHUT_WR), "shutdown");
    for (;;) {
        const short events = sent < size ? POLLIN | POLLOUT : POLLIN;
        pollfd ready{.fd = client.get(), .events = events, .revents = 0};
        check_errno(::poll(&ready, 1, -1), "poll");
        if ((ready.revents & POLLOUT) != 0) {
            const std::size_t length = std::min(chunk.size(), size - sent);
            for (std::size_t i = 0; i < length; ++i) chunk[i] = byte_at(sent + i);
            sent += static_cast<std::size_t>(check_errno(
                ::send(client.get(), chunk.data(), length, MSG_NOSIGNAL | MSG_DONTWAIT), "send"));
            if (sent == size) check_errno(::shutdown(client.get(), SHUT_WR), "shutdown");
            continue;
        }
        const auto got = static_cast<std::size_t>(
            check_errno(::recv(client.get(), chunk.data(), chunk.size(), 0), "recv"));
        if (got == 0) break;
        for (std::size_t i = 0; i < got; ++i) {
            if (chunk[i] == byte_at(received + i)) continue;  // Words take longer than a look.
            throw violation(text("byte ", received + i, " came back wrong"),
                            "the byte that was sent");
        }
        received += got;
    }
    expect_equal(received, size, "bytes that came back");
}

/// exchange_bytes for each of `sizes`, one after the other. What one of them throws is thrown after
/// the last, so that the server gets all the connections that it waits for.
inline void exchange_each(std::uint16_t port, const std::vector<std::size_t>& sizes) {
    std::exception_ptr first;
    for (const std::size_t size : sizes) {
        try {
            exchange_bytes(port, size);
        } catch (...) {
            if (!first) first = std::current_exception();
        }
    }
    if (first) std::rethrow_exception(first);
}

/// Connects and resets the connection at once.
inline void hang_up(std::uint16_t port) {
    const unique_descriptor client = connect_narrowly(port);
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    check_errno(::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once),
                "setsockopt(SO_LINGER)");
}

}  // namespace overlap::conformance
