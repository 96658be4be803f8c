// The least work that epoll can talk to a server with: one thread, one loop, no runtime.
//
// Level-triggered, one read an event. Sockets are connected and written to as blocking ones: over
// loopback a connection is there at once, and a request is shorter than any socket's buffer.
#pragma once

#include <overlap/core/socket.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <vector>

namespace overlap::floor {

namespace detail {

template <class Talk>
class epoll_exchange {
public:
    epoll_exchange(const endpoint& server, std::span<Talk> talks)
        : server_(server), talks_(talks), sockets_(talks.size()),
          epoll_(check_errno(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {}

    void run() {
        for (std::size_t i = 0; i < talks_.size(); ++i) {
            if (begin(i)) ++open_;
        }
        std::array<epoll_event, batch> events;
        while (open_ > 0) {
            const int count = ::epoll_wait(epoll_.get(), events.data(), batch, -1);
            if (count < 0 && errno != EINTR) throw_errno(errno, "epoll_wait");
            for (const epoll_event& event :
                 std::span(events).first(static_cast<std::size_t>(std::max(count, 0)))) {
                hear(event.data.u64);
            }
        }
    }

private:
    static constexpr int batch = 256;

    /// The next exchange of connection `index`; false when there is none.
    bool begin(std::size_t index) {
        if (!talks_[index].begin()) return false;
        if (sockets_[index].get() < 0) connect(index);
        say(index);
        return true;
    }

    void say(std::size_t index) {
        auto& protocol = talks_[index].protocol();
        for (auto bytes = protocol.to_send(); !bytes.empty();) {
            const ssize_t sent =
                ::send(sockets_[index].get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent < 0 && errno != EINTR) throw_errno(errno, "write");
            bytes = bytes.subspan(static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
        }
        protocol.sent();
    }

    void connect(std::size_t index) {
        sockets_[index] = unique_descriptor(
            check_errno(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
        const int socket = sockets_[index].get();
        set_no_delay(socket);
        check_errno(::connect(socket, server_.data(), endpoint::size()), "connect");
        epoll_event interest{};
        interest.events = EPOLLIN;
        interest.data.u64 = index;
        check_errno(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket, &interest), "epoll_ctl");
    }

    void hear(std::size_t index) {
        auto& protocol = talks_[index].protocol();
        const std::span<std::byte> room = protocol.room();
        const ssize_t size = ::recv(sockets_[index].get(), room.data(), room.size(), MSG_DONTWAIT);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (size < 0) throw_errno(errno, "read");
        protocol.received(static_cast<std::size_t>(size));
        if (!protocol.to_send().empty()) say(index);
        if (!protocol.done()) return;
        if (!talks_[index].end()) sockets_[index] = unique_descriptor();
        if (!begin(index)) --open_;
    }

    const endpoint& server_;
    std::span<Talk> talks_;
    std::vector<unique_descriptor> sockets_;
    unique_descriptor epoll_;
    std::size_t open_ = 0;
};

}  // namespace detail

/// Has all `talks` at once, each over connections of its own to `server`. A talk has
///
///   talk.begin()     Begins the next exchange; false when it has no more.
///   talk.protocol()  The one that is under way: as in clients/exchange.hpp, and it speaks first.
///   talk.end()       Ends it; false when the connection is not to be used again.
///
/// Throws std::system_error and what protocols and talks throw, the first that fails; all connections are
/// closed in any case.
template <class Talk>
void exchange_epoll(const endpoint& server, std::span<Talk> talks) {
    detail::epoll_exchange<Talk>(server, talks).run();
}

}  // namespace overlap::floor
