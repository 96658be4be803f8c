// The least work that epoll can echo with: one thread, one loop, no runtime.
//
// Level-triggered, one read and one write an event, one buffer for all connections. README.md says
// what else was tried and what it cost.
#pragma once

#include <overlap/core/socket.hpp>
#include <overlap/floor/first_error.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <vector>

namespace overlap::floor {

namespace detail {

class epoll_echo {
public:
    epoll_echo(int listener, std::size_t connections, std::size_t buffer_size)
        : listener_(listener), wanted_(connections), buffer_(buffer_size),
          epoll_(check_errno(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {
        connections_.reserve(connections);
        watch(EPOLL_CTL_ADD, listener_, EPOLLIN, listener_index);
    }

    std::vector<std::uint64_t> run() {
        std::array<epoll_event, batch> events;
        while (open_ > 0 || connections_.size() < wanted_) {
            const int count = ::epoll_wait(epoll_.get(), events.data(), batch, -1);
            if (count < 0 && errno != EINTR) throw_errno(errno, "epoll_wait");
            for (const epoll_event& event :
                 std::span(events).first(static_cast<std::size_t>(std::max(count, 0)))) {
                if (event.data.u64 == listener_index) {
                    accept_all();
                } else if (connections_[event.data.u64].unsent.empty()) {
                    echo(event.data.u64);
                } else {
                    send_rest(event.data.u64);
                }
            }
        }
        error_.raise();
        std::vector<std::uint64_t> echoed;
        echoed.reserve(connections_.size());
        for (const connection& each : connections_) echoed.push_back(each.echoed);
        return echoed;
    }

private:
    static constexpr int batch = 256;
    static constexpr std::uint64_t listener_index = ~std::uint64_t{0};

    struct connection {
        unique_descriptor socket;
        std::uint64_t echoed = 0;
        std::vector<std::byte>
            unsent{};  // what a short write left; nothing is read until it is gone
    };

    void watch(int operation, int descriptor, std::uint32_t events, std::uint64_t index) {
        epoll_event interest{};
        interest.events = events;
        interest.data.u64 = index;
        check_errno(::epoll_ctl(epoll_.get(), operation, descriptor, &interest), "epoll_ctl");
    }

    void accept_all() {
        while (connections_.size() < wanted_) {
            const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (socket >= 0) {
                connections_.push_back({.socket = unique_descriptor(socket)});
                watch(EPOLL_CTL_ADD, socket, EPOLLIN, connections_.size() - 1);
                ++open_;
            } else if (errno == EAGAIN) {
                return;
            } else if (errno != EINTR && errno != ECONNABORTED) {
                error_.keep(errno, "accept of connection " + std::to_string(connections_.size()));
                wanted_ = connections_.size();
            }
        }
        check_errno(::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listener_, nullptr), "epoll_ctl");
    }

    void echo(std::uint64_t index) {
        connection& at = connections_[index];
        const ssize_t count = ::recv(at.socket.get(), buffer_.data(), buffer_.size(), 0);
        if (count == 0) return end(index, 0);
        if (count < 0) return failed(index);
        const std::span<const std::byte> read(buffer_.data(), static_cast<std::size_t>(count));
        const ssize_t sent = ::send(at.socket.get(), read.data(), read.size(), MSG_NOSIGNAL);
        if (sent < 0 && !is_temporary(errno)) return end(index, errno);
        const std::span<const std::byte> rest =
            read.subspan(static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
        at.echoed += read.size() - rest.size();
        if (rest.empty()) return;
        at.unsent.assign(rest.begin(), rest.end());
        watch(EPOLL_CTL_MOD, at.socket.get(), EPOLLOUT, index);
    }

    void send_rest(std::uint64_t index) {
        connection& at = connections_[index];
        const ssize_t sent =
            ::send(at.socket.get(), at.unsent.data(), at.unsent.size(), MSG_NOSIGNAL);
        if (sent < 0) return failed(index);
        at.echoed += static_cast<std::uint64_t>(sent);
        at.unsent.erase(at.unsent.begin(), at.unsent.begin() + sent);
        if (at.unsent.empty()) watch(EPOLL_CTL_MOD, at.socket.get(), EPOLLIN, index);
    }

    static bool is_temporary(int error) { return error == EAGAIN || error == EINTR; }

    void failed(std::uint64_t index) {
        if (!is_temporary(errno)) end(index, errno);
    }

    void end(std::uint64_t index, int error) {
        if (error != 0) error_.keep(error, "echo on connection " + std::to_string(index));
        connections_[index].socket = unique_descriptor();
        --open_;
    }

    int listener_;
    std::size_t wanted_;
    std::size_t open_ = 0;
    std::vector<std::byte> buffer_;
    std::vector<connection> connections_;
    unique_descriptor epoll_;
    first_error error_;
};

}  // namespace detail

/// Accepts `connections` connections from `listener` (non-blocking; it stays the caller's) and
/// sends back what each sends, at most `buffer_size` bytes at a time, until it closes. Returns the
/// bytes echoed on each connection in the order of acceptance. If connections fail, the others are
/// served to their ends first; then the first failure is thrown as std::system_error.
inline std::vector<std::uint64_t> echo_epoll(int listener, std::size_t connections,
                                             std::size_t buffer_size) {
    return detail::epoll_echo(listener, connections, buffer_size).run();
}

}  // namespace overlap::floor
