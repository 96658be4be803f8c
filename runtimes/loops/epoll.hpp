// The event loop on epoll(7), edge-triggered: a descriptor is registered once, at its first wait.
#pragma once

#include <overlap/loops/descriptor_table.hpp>
#include <overlap/loops/loop_base.hpp>

#include <array>
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
        descriptors_.submit(op, ready_);
        if (!descriptors_.is_waiting(op)) return;
        auto& entry = descriptors_.of(op->descriptor);
        if (entry.watched) return;
        if (watch(op->descriptor, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET) == 0) {
            entry.watched = true;
        } else {
            descriptors_.fail(op, errno, ready_);
        }
    }

private:
    friend loop_base<epoll_loop>;

    void cancel_io(io_operation* op) noexcept { descriptors_.cancel(op, ready_); }

    [[nodiscard]] bool io_pending() const noexcept { return !descriptors_.empty(); }

    int watch(int descriptor, std::uint32_t events) noexcept {
        epoll_event interest{.events = events, .data = {.fd = descriptor}};
        return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &interest);
    }

    void wait(std::optional<nanoseconds> timeout) {
        const timespec limit = to_timespec(timeout.value_or(nanoseconds(0)));
        const int count =
            ::epoll_pwait2(epoll_.get(), events_.data(), static_cast<int>(events_.size()),
                           timeout ? &limit : nullptr, nullptr);
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
            descriptors_.drain(entry, ready_);
        }
    }

    unique_descriptor epoll_;
    descriptor_table descriptors_;
    std::array<epoll_event, 1024> events_{};
};

static_assert(event_loop<epoll_loop>);

}  // namespace overlap
