// The event loop on epoll(7), edge-triggered: a descriptor is registered once, at its first wait.
#pragma once

#include <overlap/loops/descriptor_table.hpp>
#include <overlap/loops/loop_base.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <sys/epoll.h>

namespace overlap {

/// Keeps the contract in core/event_loop.hpp. The constructor throws std::system_error when there
/// is no descriptor left for the epoll instance.
class epoll_loop : public loop_base<epoll_loop> {
public:
    static constexpr std::string_view name() { return "epoll"; }

    static availability available() noexcept {
        const unique_descriptor probe(::epoll_create1(EPOLL_CLOEXEC));
        if (probe.get() >= 0) return {};
        return {"epoll_create1: " + std::generic_category().message(errno)};
    }

    epoll_loop() : epoll_(check_errno(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {
        // Edge-triggered, so that nobody need empty the eventfd: each write is an edge of its own.
        check_errno(watch(remote_.wake_descriptor(), EPOLLIN | EPOLLET), "epoll_ctl(eventfd)");
    }

    void submit(io_operation* op) {
        descriptors_.submit(op, due_);
        if (!descriptors_.is_waiting(op)) return;
        auto& entry = descriptors_.of(op->descriptor);
        if (entry.watched) return;
        if (watch(op->descriptor, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET) == 0) {
            entry.watched = true;
        } else {
            descriptors_.fail(op, errno, due_);
        }
    }

private:
    friend loop_base<epoll_loop>;

    void cancel_io(io_operation* op) noexcept { descriptors_.cancel(op, due_); }

    [[nodiscard]] bool io_pending() const noexcept { return !descriptors_.empty(); }

    int watch(int descriptor, std::uint32_t events) noexcept {
        epoll_event interest{.events = events, .data = {.fd = descriptor}};
        return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &interest);
    }

    void wait(std::optional<nanoseconds> timeout) {
        const int count = wait_for_events(timeout);
        for (int i = 0; i < count; ++i) {
            const epoll_event& seen = events_[static_cast<std::size_t>(i)];
            if (seen.data.fd == remote_.wake_descriptor()) continue;
            auto& entry = descriptors_.of(seen.data.fd);
            // A hang-up that came together with data gives no further edge: it must be remembered,
            // or the read that should see the end of file would wait for ever.
            constexpr std::uint32_t ends = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
            if ((seen.events & ends) != 0) entry.hung_up = true;
            if ((seen.events & (EPOLLIN | ends)) != 0) entry.readable = true;
            if ((seen.events & (EPOLLOUT | ends)) != 0) entry.writable = true;
            descriptors_.drain(entry, due_);
        }
    }

    /// epoll_pwait2(2), or epoll_wait(2) where there is none: before Linux 5.11, behind a seccomp
    /// filter that does not know it, under valgrind 3.19. The latter counts whole milliseconds,
    /// which are rounded up, so that timers are late rather than the loop awake for nothing.
    int wait_for_events(std::optional<nanoseconds> timeout) {
        const auto room = static_cast<int>(events_.size());
        if (exact_) {
            const timespec limit = to_timespec(timeout.value_or(nanoseconds(0)));
            const int count = ::epoll_pwait2(epoll_.get(), events_.data(), room,
                                             timeout ? &limit : nullptr, nullptr);
            if (count >= 0 || errno == EINTR) return count;
            // Seccomp filters that do not know the call refuse it in one of these ways.
            if (errno != ENOSYS && errno != EPERM) throw_errno(errno, "epoll_pwait2");
            exact_ = false;
        }
        constexpr std::int64_t longest = std::numeric_limits<int>::max();
        const auto whole = [](nanoseconds exact) {
            return std::chrono::ceil<std::chrono::milliseconds>(exact).count();
        };
        const auto limit = timeout ? static_cast<int>(std::min(longest, whole(*timeout))) : -1;
        const int count = ::epoll_wait(epoll_.get(), events_.data(), room, limit);
        if (count < 0 && errno != EINTR) throw_errno(errno, "epoll_wait");
        return count;
    }

    unique_descriptor epoll_;
    bool exact_ = true;  // epoll_pwait2 is there, as far as we know.
    descriptor_table descriptors_;
    std::array<epoll_event, 1024> events_{};
};

static_assert(event_loop<epoll_loop>);

}  // namespace overlap
