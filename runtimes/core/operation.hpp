// The state that a waiter and an event loop share: one intrusive struct with a function pointer.
//
// The same struct serves a coroutine frame, a fiber's stack and a plug-in written in C, so there is
// no virtual call, no std::function and no allocation on the path of an operation.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace overlap {

/// The clock that deadlines are given in. A loop may run its own time on it (see
/// virtual_time_loop), so ask the loop, not the clock, what time it is.
using time_point = std::chrono::steady_clock::time_point;
using std::chrono::nanoseconds;

/// What an operation asks for. New kinds of I/O are added here; the event_loop concept stays as it
/// is.
enum class operation_kind : std::uint8_t {
    post,     ///< run `done` soon; `result` is left as the waiter set it
    timer,    ///< a timer_operation: completes with 0 at or after its deadline
    accept,   ///< result: the new connection's descriptor (non-blocking, close-on-exec)
    connect,  ///< `data` and `size` are a sockaddr; result: 0
    read,     ///< at most `size` bytes into `data`; result: how many, 0 at end of file
    write,    ///< at most `size` bytes from `data`; result: how many (possibly fewer than `size`)
    close,    ///< nothing else may be waiting on the descriptor; result: 0
};

/// One suspended step. The waiter owns it and submits it to a loop, to which it belongs until `done` is called.
struct operation {
    /// Called exactly once for each time the operation is submitted, on the loop's thread and never from
    /// inside the call that submitted it. By then the loop has let go of the operation: `done` may free
    /// it or submit it again.
    void (*done)(operation* self) noexcept = nullptr;
    operation* next = nullptr;  ///< The loop's, while submitted.
    int result = 0;             ///< >= 0: bytes or a descriptor; < 0: -errno.
    operation_kind kind = operation_kind::post;
    std::uint8_t state = 0;  ///< The loop's, while submitted.
    std::uint16_t tag = 0;   ///< The waiter's; loops leave it alone.

    constexpr operation() = default;
    constexpr explicit operation(void (*callback)(operation*) noexcept,
                                 operation_kind what = operation_kind::post)
        : done(callback), kind(what) {}
};

/// A wait until a deadline.
struct timer_operation : operation {
    time_point deadline{};
    void* scratch = nullptr;  ///< The loop's, while submitted.

    constexpr timer_operation() : operation(nullptr, operation_kind::timer) {}
    constexpr explicit timer_operation(void (*callback)(operation*) noexcept)
        : operation(callback, operation_kind::timer) {}
};

/// One step of I/O on a descriptor. What `data` points to is the waiter's and must stay valid until
/// the operation is done.
struct io_operation : operation {
    int descriptor = -1;
    void* data = nullptr;
    std::size_t size = 0;     ///< In bytes.
    void* scratch = nullptr;  ///< The loop's, while submitted.

    constexpr io_operation() = default;
    constexpr io_operation(operation_kind what, void (*callback)(operation*) noexcept)
        : operation(callback, what) {}
};

}  // namespace overlap
