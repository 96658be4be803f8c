// The calls of a direct runtime whose tasks have a kernel thread or process of their own: each
// blocks its caller in the kernel until it is done.
#pragma once

#include <overlap/core/operation.hpp>
#include <overlap/core/socket.hpp>

#include <cerrno>
#include <cstddef>
#include <poll.h>
#include <sched.h>
#include <span>
#include <sys/socket.h>
#include <time.h>
#include <type_traits>
#include <unistd.h>

namespace overlap {

/// A base for such runtimes. Stateless; any thread may call. Errors are std::system_error.
class blocking_calls {
public:
    [[nodiscard]] static time_point now() noexcept { return std::chrono::steady_clock::now(); }

    static void sleep_until(time_point deadline) {
        const auto since_boot = deadline.time_since_epoch();
        if (since_boot <= nanoseconds(0)) return;  // clock_nanosleep(2) takes no negative times.
        const auto seconds = std::chrono::floor<std::chrono::seconds>(since_boot);
        const timespec wake{.tv_sec = seconds.count(), .tv_nsec = (since_boot - seconds).count()};
        int error = 0;
        do {
            error = ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, nullptr);
        } while (error == EINTR);
        if (error != 0) throw_errno(error, "clock_nanosleep");
    }

    static void yield() noexcept { ::sched_yield(); }

    /// The listener may be non-blocking (a loop might share it), so an empty accept queue is waited
    /// for in poll(2). The connection itself is blocking.
    static int accept(int listener) {
        return retry(listener, POLLIN, "accept",
                     [&] { return ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC); });
    }

    static int connect(const endpoint& peer) {
        unique_descriptor connection(
            check_errno(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
        set_no_delay(connection.get());
        check_errno(::connect(connection.get(), peer.data(), endpoint::size()), "connect");
        return connection.release();
    }

    static std::size_t read(int connection, std::span<std::byte> buffer) {
        return static_cast<std::size_t>(retry(connection, POLLIN, "read", [&] {
            return ::recv(connection, buffer.data(), buffer.size(), 0);
        }));
    }

    static void write(int connection, std::span<const std::byte> bytes) {
        while (!bytes.empty()) {
            const auto sent = retry(connection, POLLOUT, "write", [&] {
                return ::send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            });
            bytes = bytes.subspan(static_cast<std::size_t>(sent));
        }
    }

    static void close(int connection) { check_errno(::close(connection), "close"); }

private:
    template <class Call>
    static std::invoke_result_t<Call> retry(int descriptor, short readiness, const char* what,
                                            Call call) {
        for (;;) {
            const auto result = call();
            if (result >= 0) return result;
            if (errno == EAGAIN || errno == EWOULDBLOCK) {
                pollfd wait{.fd = descriptor, .events = readiness, .revents = 0};
                ::poll(&wait, 1, -1);
            } else if (errno != EINTR) {
                throw_errno(errno, what);
            }
        }
    }
};

}  // namespace overlap
