// The calls of a direct runtime whose tasks have a kernel thread or process of their own: each
// blocks its caller in the kernel until it is done.
#pragma once

#include <overlap/core/operation.hpp>
#include <overlap/core/socket.hpp>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <fcntl.h>
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

    /// With a deadline, accept, connect and read throw std::system_error with std::errc::timed_out when
    /// they still wait as it comes; what need not wait is done although it has passed. They wait in
    /// poll(2), and the descriptor can be used on.
    static int accept(int listener, time_point deadline) {
        wait_until_ready(listener, POLLIN, "accept", deadline);
        return accept(listener);
    }

    static int connect(const endpoint& peer) {
        unique_descriptor connection(
            check_errno(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
        set_no_delay(connection.get());
        check_errno(::connect(connection.get(), peer.data(), endpoint::size()), "connect");
        return connection.release();
    }

    static int connect(const endpoint& peer, time_point deadline) {
        unique_descriptor connection(check_errno(
            ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket"));
        set_no_delay(connection.get());
        if (::connect(connection.get(), peer.data(), endpoint::size()) != 0) {
            if (errno != EINPROGRESS) throw_errno(errno, "connect");
            wait_until_ready(connection.get(), POLLOUT, "connect", deadline);
            int error = 0;
            socklen_t size = sizeof error;
            check_errno(::getsockopt(connection.get(), SOL_SOCKET, SO_ERROR, &error, &size),
                        "getsockopt(SO_ERROR)");
            if (error != 0) throw_errno(error, "connect");
        }
        const int flags = check_errno(::fcntl(connection.get(), F_GETFL), "fcntl(F_GETFL)");
        check_errno(::fcntl(connection.get(), F_SETFL, flags & ~O_NONBLOCK), "fcntl(F_SETFL)");
        return connection.release();
    }

    static std::size_t read(int connection, std::span<std::byte> buffer, time_point deadline) {
        for (;;) {
            const auto size = ::recv(connection, buffer.data(), buffer.size(), MSG_DONTWAIT);
            if (size >= 0) return static_cast<std::size_t>(size);
            if (errno == EAGAIN || errno == EWOULDBLOCK) {
                wait_until_ready(connection, POLLIN, "read", deadline);
            } else if (errno != EINTR) {
                throw_errno(errno, "read");
            }
        }
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
    static void wait_until_ready(int descriptor, short readiness, const char* what,
                                 time_point deadline) {
        pollfd wait{.fd = descriptor, .events = readiness, .revents = 0};
        for (;;) {
            const time_point present = now();
            const nanoseconds left =
                deadline > present ? nanoseconds(deadline - present) : nanoseconds(0);
            const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
            const timespec limit{.tv_sec = seconds.count(), .tv_nsec = (left - seconds).count()};
            const int ready = ::ppoll(&wait, 1, &limit, nullptr);
            if (ready > 0) return;
            if (ready < 0 && errno != EINTR) throw_errno(errno, "ppoll");
            if (ready == 0 && now() >= deadline) throw_errno(ETIMEDOUT, what);
        }
    }

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
