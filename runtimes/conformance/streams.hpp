// Stream sockets for rules, and the far ends' plain system calls.
#pragma once

#include <overlap/conformance/violation.hpp>
#include <overlap/core/socket.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <fcntl.h>
#include <filesystem>
#include <iterator>
#include <poll.h>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace overlap::conformance {

/// Two connected stream sockets, non-blocking: `near` is for the loop, `far` for the rule itself.
/// Both close when the pair ends, so declare it before the loop; one that was closed through the
/// loop must be released here.
struct stream_pair {
    stream_pair() {
        std::array<int, 2> ends{};
        check_errno(
            ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()),
            "socketpair");
        near = unique_descriptor(ends[0]);
        far = unique_descriptor(ends[1]);
    }

    unique_descriptor near;
    unique_descriptor far;
};

/// A non-blocking TCP socket that is not connected.
inline unique_descriptor open_tcp() {
    return unique_descriptor(
        check_errno(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket"));
}

/// Connects a non-blocking socket to a loopback listener, which its queue completes at once.
inline unique_descriptor connect_to(const unique_descriptor& listener) {
    const endpoint where(port_of(listener));
    unique_descriptor client = open_tcp();
    if (::connect(client.get(), where.data(), endpoint::size()) != 0 && errno != EINPROGRESS) {
        throw_errno(errno, "connect to a rule's own listener");
    }
    return client;
}

/// Waits until a descriptor is ready for `events`; false when it is not within five seconds.
inline bool is_ready(int descriptor, short events) {
    pollfd wait{.fd = descriptor, .events = events, .revents = 0};
    return ::poll(&wait, 1, 5'000) == 1;
}

/// The same two ends as stream_pair, over TCP.
struct tcp_pair {
    tcp_pair() {
        const unique_descriptor listener = open_listener(endpoint{});
        far = connect_to(listener);
        is_ready(listener.get(), POLLIN);
        near = unique_descriptor(check_errno(
            ::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC), "accept4"));
    }

    unique_descriptor near;
    unique_descriptor far;
};

/// Sends all of `bytes`, which must fit into the socket's buffer.
inline void send_all(const unique_descriptor& to, std::string_view bytes) {
    const auto sent = ::send(to.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    check_errno(sent, "send");
    if (static_cast<std::size_t>(sent) != bytes.size()) throw_errno(ENOBUFS, "send");
}

/// Everything that can be received at present.
inline std::string receive_available(const unique_descriptor& from) {
    std::string received;
    std::array<char, 65'536> chunk;
    for (;;) {
        const auto size = ::recv(from.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
        if (size <= 0) return received;
        received.append(chunk.data(), static_cast<std::size_t>(size));
    }
}

/// Sends until the socket's buffer is full; returns how many bytes that took.
inline std::size_t fill(const unique_descriptor& socket) {
    const std::string chunk(4'096, '.');
    std::size_t total = 0;
    // Smaller and smaller steps leave no room for even one byte.
    for (std::size_t step = chunk.size(); step > 0; step /= 2) {
        for (;;) {
            const auto sent = ::send(socket.get(), chunk.data(), step, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent < 0) break;
            total += static_cast<std::size_t>(sent);
        }
    }
    return total;
}

/// How many descriptors this process has open.
inline std::ptrdiff_t count_descriptors() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
}

/// Raises the soft limit of descriptors to the hard one, and returns it.
inline std::size_t raise_descriptor_limit() {
    rlimit limit{};
    check_errno(::getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    check_errno(::setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
    return limit.rlim_cur;
}

}  // namespace overlap::conformance
