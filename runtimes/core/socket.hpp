// TCP sockets for the echo workload: endpoints, listeners, and the descriptor that closes itself.
#pragma once

#include <overlap/core/error.hpp>

#include <arpa/inet.h>
#include <cstdint>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace overlap {

/// An IPv4 address and port.
class endpoint {
public:
    /// The loopback address; port 0 lets the kernel choose when listening.
    explicit endpoint(std::uint16_t port = 0) : endpoint("127.0.0.1", port) {}

    /// `host` is a dotted quad; anything else is std::system_error(EINVAL).
    endpoint(const std::string& host, std::uint16_t port) {
        address_.sin_family = AF_INET;
        address_.sin_port = htons(port);
        if (inet_pton(AF_INET, host.c_str(), &address_.sin_addr) != 1) {
            throw_errno(EINVAL, "not an IPv4 address: " + host);
        }
    }

    [[nodiscard]] std::uint16_t port() const noexcept { return ntohs(address_.sin_port); }
    [[nodiscard]] const sockaddr* data() const noexcept {
        return reinterpret_cast<const sockaddr*>(&address_);
    }
    [[nodiscard]] static constexpr socklen_t size() noexcept { return sizeof(sockaddr_in); }

private:
    sockaddr_in address_{};
};

/// Owns a descriptor and closes it when destroyed. Not for descriptors that a loop was given:
/// those are closed through the loop.
class unique_descriptor {
public:
    explicit unique_descriptor(int fd = -1) noexcept : fd_(fd) {}
    unique_descriptor(unique_descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    unique_descriptor& operator=(unique_descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~unique_descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }

    [[nodiscard]] int get() const noexcept { return fd_; }
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

private:
    int fd_;
};

/// The longest accept queue that Linux allows by default (net.core.somaxconn since 5.4); listen(2)
/// caps larger values silently.
inline constexpr int listen_backlog = 4096;

/// Sends small messages at once instead of waiting to fill a segment (tcp(7)). Every backend and
/// the load generator do, or a delayed acknowledgement of 40 ms would be what echo measures.
inline void set_no_delay(int socket) {
    const int on = 1;
    check_errno(::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on),
                "setsockopt(TCP_NODELAY)");
}

/// A non-blocking, close-on-exec listener. Accepted connections inherit TCP_NODELAY from it (Linux
/// does that), which saves every backend a call a connection. Throws std::system_error, e.g.
/// EADDRINUSE.
inline unique_descriptor open_listener(const endpoint& where, int backlog = listen_backlog) {
    unique_descriptor listener(check_errno(
        ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket for a listener"));
    const int on = 1;
    check_errno(::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on),
                "setsockopt(SO_REUSEADDR)");
    set_no_delay(listener.get());
    if (::bind(listener.get(), where.data(), endpoint::size()) != 0 ||
        ::listen(listener.get(), backlog) != 0) {
        throw_errno(errno, "cannot listen on port " + std::to_string(where.port()));
    }
    return listener;
}

/// The port that a listener was bound to.
inline std::uint16_t port_of(const unique_descriptor& listener) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    check_errno(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size),
                "getsockname");
    return ntohs(address.sin_port);
}

}  // namespace overlap
