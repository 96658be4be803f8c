// The event loop whose clock jumps: when nothing is ready, it is at once the time of the next
// timer. Tests use it for exact times; an hour of sleeping takes no time at all.
#pragma once

#include <overlap/loops/loop_base.hpp>

#include <optional>
#include <poll.h>
#include <string_view>

namespace overlap {

/// Keeps the contract in core/event_loop.hpp, but for I/O: the world outside has another clock, so
/// submit() completes every operation with -EOPNOTSUPP. Time starts at zero.
class virtual_time_loop : public loop_base<virtual_time_loop> {
public:
    static constexpr std::string_view name() { return "virtual_time"; }
    static availability available() noexcept { return {}; }

    [[nodiscard]] time_point now() const noexcept { return now_; }

    void submit(io_operation* op) noexcept { complete(op, -EOPNOTSUPP); }

private:
    friend loop_base<virtual_time_loop>;

    void cancel_io(io_operation*) const noexcept {}  // They complete at once.

    [[nodiscard]] static bool io_pending() noexcept { return false; }

    void wait(std::optional<nanoseconds> timeout) {
        if (timeout) {
            now_ += *timeout;
        } else {
            // No timer is armed: only another thread can give it something to do.
            pollfd wake{.fd = remote_.wake_descriptor(), .events = POLLIN, .revents = 0};
            ::poll(&wake, 1, -1);
            remote_.drain();
        }
    }

    time_point now_{};
};

static_assert(event_loop<virtual_time_loop>);

}  // namespace overlap
