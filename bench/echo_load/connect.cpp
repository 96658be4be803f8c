#include "connect.hpp"

#include "payload.hpp"

#include <overlap/core/runtime.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <netdb.h>
#include <span>
#include <sys/epoll.h>
#include <sys/resource.h>

namespace overlap::load {
namespace {

// Connections asked for at once. Small enough for servers with a short accept queue (a SYN that
// finds it full is only repeated after a second), large enough to hide the distance to a far one.
constexpr std::size_t window = 64;

// Standard streams, the epoll set, and what the resolver or a sanitizer may hold.
constexpr std::size_t spare_descriptors = 16;

class refused : public load_error {
public:
    using load_error::load_error;
};

using address_list = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

std::string where(const load_options& options) {
    return options.host + " port " + std::to_string(options.port);
}

void require_descriptors(std::size_t connections) {
    const std::size_t needed = connections + spare_descriptors;
    rlimit limit{};
    check_errno(::getrlimit(RLIMIT_NOFILE, &limit), "getrlimit(RLIMIT_NOFILE)");
    if (limit.rlim_cur >= needed) return;
    limit.rlim_cur = limit.rlim_max;
    if (limit.rlim_max < needed || ::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        throw limit_error(std::to_string(connections) + " connections need " +
                          std::to_string(needed) + " descriptors and this process may have " +
                          std::to_string(limit.rlim_max) +
                          ": ask for fewer connections, or raise the limit (ulimit -Hn)");
    }
}

address_list resolve(const load_options& options) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const std::string service = std::to_string(options.port);
    const int error = ::getaddrinfo(options.host.c_str(), service.c_str(), &hints, &found);
    if (error == 0) return {found, &::freeaddrinfo};
    throw usage_error("--host: cannot resolve \"" + options.host + "\": " + ::gai_strerror(error) +
                      "; give a name or an address");
}

[[noreturn]] void throw_connect_error(int error, const load_options& options, std::size_t index) {
    const std::string at = "connection " + std::to_string(index + 1) + " of " +
                           std::to_string(options.connections) + " to " + where(options) + ": ";
    switch (error) {
    case ECONNREFUSED:
        throw refused(at + "refused: is the server running and listening there?");
    case EADDRNOTAVAIL:
        throw limit_error(at +
                          "no ephemeral port is free: ask for fewer connections, wait a minute "
                          "for old ones to leave TIME_WAIT, or widen ip_local_port_range");
    case EMFILE:
    case ENFILE:
        throw limit_error(at + "out of descriptors: ask for fewer connections, or raise the limit "
                               "(ulimit -n; fs.file-max for the whole machine)");
    default:
        throw load_error(at + std::strerror(error));
    }
}

int start_connect(const addrinfo& peer) {
    unique_descriptor socket(
        ::socket(peer.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (socket.get() < 0) return -errno;
    set_no_delay(socket.get());
    if (::connect(socket.get(), peer.ai_addr, peer.ai_addrlen) != 0 && errno != EINPROGRESS) {
        return -errno;
    }
    return socket.release();
}

int pending_error(int socket) {
    int error = 0;
    socklen_t size = sizeof error;
    check_errno(::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size), "getsockopt(SO_ERROR)");
    return error;
}

// The set is edge-triggered, so what happens between here and the first message must not be missed.
bool established(const epoll_event& event, int socket, const load_options& options) {
    const std::size_t index = event.data.u64;
    if (const int error = pending_error(socket); error != 0) {
        throw_connect_error(error, options, index);
    }
    if ((event.events & (EPOLLRDHUP | EPOLLHUP)) != 0) {
        throw load_error(where(options) + " closed connection " + std::to_string(index + 1) +
                         " of " + std::to_string(options.connections) +
                         " before the first message");
    }
    if ((event.events & EPOLLIN) != 0) {
        std::array<std::byte, 64> said{};
        const auto size = ::recv(socket, said.data(), said.size(), MSG_PEEK);
        throw load_error(where(options) + " sent " +
                         quoted(std::span(said).first(size < 0 ? 0 : std::size_t(size))) +
                         " on connection " + std::to_string(index + 1) +
                         " before anything was sent to it: not an echo server");
    }
    return (event.events & EPOLLOUT) != 0;
}

std::vector<unique_descriptor> connect_to(const addrinfo& peer, const load_options& options,
                                          int epoll) {
    const auto timeout =
        static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(options.timeout).count());
    std::vector<unique_descriptor> sockets;
    sockets.reserve(options.connections);
    std::vector<bool> done(options.connections);
    std::array<epoll_event, window> events{};
    for (std::size_t open = 0; open < options.connections;) {
        while (sockets.size() < options.connections && sockets.size() - open < window) {
            const int socket = start_connect(peer);
            if (socket < 0) throw_connect_error(-socket, options, sockets.size());
            epoll_event interest{};
            interest.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
            interest.data.u64 = sockets.size();
            sockets.emplace_back(socket);
            check_errno(::epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &interest), "epoll_ctl");
        }
        const int count = ::epoll_wait(epoll, events.data(), window, timeout);
        if (count == 0) {
            throw load_error(where(options) + " accepted " + std::to_string(open) + " of " +
                             std::to_string(options.connections) +
                             " connections and then none before the timeout");
        }
        for (int i = 0; i < count; ++i) {
            const epoll_event& event = events[static_cast<std::size_t>(i)];
            const std::size_t index = event.data.u64;
            if (!established(event, sockets[index].get(), options) || done[index]) continue;
            done[index] = true;
            ++open;
        }
    }
    return sockets;
}

}  // namespace

std::vector<unique_descriptor> connect_all(const load_options& options, int epoll) {
    const address_list addresses = resolve(options);
    require_descriptors(options.connections);
    for (const addrinfo* peer = addresses.get();; peer = peer->ai_next) {
        try {
            return connect_to(*peer, options, epoll);
        } catch (const refused&) {
            if (peer->ai_next == nullptr) throw;
        }
    }
}

}  // namespace overlap::load
