// How a task on a fiber is ended from outside.
//
// A task that was asked to end is thrown `unwinding` where it waits, or where it next waits, once:
// its destructors, and handlers of every exception, are the clean-up, and may wait as ever. So unlike a
// coroutine it can refuse, by a handler that does not throw again; it then goes on to its end.
//
// What has happened is not taken back: a step of I/O that has a result returns it.
#pragma once

#include <overlap/core/loop_reference.hpp>

#include <cstdint>
#include <exception>
#include <limits>
#include <system_error>
#include <typeinfo>

namespace overlap::fibers {

/// What is thrown in a task that is to end. No std::exception, so that handlers of errors let it
/// pass.
struct unwinding {};

/// Whether `thrown` is one.
inline bool is_unwinding(const std::exception_ptr& thrown) noexcept {
    return thrown && *thrown.__cxa_exception_type() == typeid(unwinding);
}

/// What those are thrown who wait for a task that was cancelled.
inline std::system_error cancelled_error() {
    return {std::make_error_code(std::errc::operation_canceled), "the task was cancelled"};
}

/// How far a task has been asked to end: as a whole, at level 0, or inside one of the deadlines that it
/// has set, of which the first has level 1.
class cancel_state {
public:
    [[nodiscard]] std::uint16_t level() const noexcept { return level_; }
    [[nodiscard]] bool is_requested() const noexcept { return requested_ != none; }

    /// Whether check() would throw.
    [[nodiscard]] bool is_due() const noexcept { return is_due_; }

    /// Returns whether the task is to be woken: not, when it has been told already.
    bool request(std::uint16_t to_level) noexcept {
        if (to_level < requested_) requested_ = to_level;
        if (was_told_) return false;
        is_due_ = true;
        return true;
    }

    /// To be called by the task where it waits. Throws unwinding, once for each request.
    void check() {
        if (is_due_) [[unlikely]]
            tell();
    }

    void enter() noexcept { ++level_; }
    /// Leaves a level. Returns whether it was this one that was asked to end; then all is as before.
    bool leave() noexcept {
        if (requested_ != level_--) return false;
        requested_ = none;
        is_due_ = was_told_ = false;
        return true;
    }

private:
    static constexpr std::uint16_t none = std::numeric_limits<std::uint16_t>::max();

    [[noreturn, gnu::cold]] void tell() {
        is_due_ = false;
        was_told_ = true;
        throw unwinding();
    }

    std::uint16_t level_ = 0;
    std::uint16_t requested_ = none;
    bool is_due_ = false;
    bool was_told_ = false;
};

/// What a task waits for that is no operation; lies on its stack.
struct cancel_hook {
    void (*cancel)(cancel_hook& self, const loop_reference& loop);
};

}  // namespace overlap::fibers
