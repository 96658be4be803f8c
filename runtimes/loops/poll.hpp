// The event loop on poll(2): the reference, and the one to read first.
//
// Everything that is not about waiting for descriptors is in loop_base.hpp (run, post, timers) and
// descriptor_table.hpp (who waits on what). Every loop's file keeps the order of this one.
#pragma once

#include <overlap/loops/descriptor_table.hpp>
#include <overlap/loops/loop_base.hpp>

#include <optional>
#include <poll.h>
#include <string_view>
#include <vector>

namespace overlap {

/// Keeps the contract in core/event_loop.hpp. Each wait costs time in proportion to the highest
/// descriptor in use; that is poll's nature, and why epoll exists.
class poll_loop : public loop_base<poll_loop> {
public:
    static constexpr std::string_view name() { return "poll"; }
    static availability available() noexcept { return {}; }  // POSIX has had it since 2001.

    void submit(io_operation* op) { descriptors_.submit(op, due_); }

private:
    friend loop_base<poll_loop>;

    void cancel_io(io_operation* op) noexcept { descriptors_.cancel(op, due_); }

    [[nodiscard]] bool io_pending() const noexcept { return !descriptors_.empty(); }

    void wait(std::optional<nanoseconds> timeout) {
        interests_.clear();
        interests_.push_back({.fd = remote_.wake_descriptor(), .events = POLLIN, .revents = 0});
        auto& entries = descriptors_.entries();
        for (std::size_t fd = 0; fd < entries.size(); ++fd) {
            const int events = (entries[fd].readers.empty() ? 0 : POLLIN) |
                               (entries[fd].writers.empty() ? 0 : POLLOUT);
            if (events == 0) continue;
            interests_.push_back(
                {.fd = static_cast<int>(fd), .events = static_cast<short>(events), .revents = 0});
        }
        const timespec limit = to_timespec(timeout.value_or(nanoseconds(0)));
        const int count =
            ::ppoll(interests_.data(), interests_.size(), timeout ? &limit : nullptr, nullptr);
        if (count < 0 && errno != EINTR) throw_errno(errno, "ppoll");
        if (count <= 0) return;
        if (interests_.front().revents != 0) remote_.drain();
        for (std::size_t i = 1; i < interests_.size(); ++i) {
            const pollfd& seen = interests_[i];
            if (seen.revents == 0) continue;
            auto& entry = descriptors_.of(seen.fd);
            // An error or a hang-up (POLLERR, POLLHUP, POLLNVAL) is learned by trying.
            if ((seen.revents & ~POLLOUT) != 0) entry.readable = true;
            if ((seen.revents & ~POLLIN) != 0) entry.writable = true;
            descriptors_.drain(entry, due_);
        }
    }

    descriptor_table descriptors_;
    std::vector<pollfd> interests_;
};

static_assert(event_loop<poll_loop>);

}  // namespace overlap
