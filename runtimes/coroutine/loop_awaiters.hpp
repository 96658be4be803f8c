// The awaitables that lend an operation to a loop: sleeping, yielding and I/O. Each lives in the
// waiting coroutine's frame and holds the operation itself, so waiting allocates nothing.
#pragma once

#include <overlap/core/error.hpp>
#include <overlap/core/event_loop.hpp>
#include <overlap/core/socket.hpp>
#include <overlap/coroutine/resume_operation.hpp>

#include <cerrno>
#include <coroutine>
#include <cstddef>
#include <new>
#include <span>
#include <unistd.h>

namespace overlap::detail {

/// A million of these may wait at once, so until the timer is lent, the field that is then the
/// loop's holds the loop's address.
template <event_loop Loop>
class [[nodiscard]] sleep_awaiter {
public:
    using lies_in_frame = void;

    sleep_awaiter(Loop& loop, time_point deadline) noexcept {
        op_.scratch = &loop;
        op_.deadline = deadline;
    }

    static bool await_ready() noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter) {
        op_.set_waiter(waiter);
        static_cast<Loop*>(op_.scratch)->call_at(&op_, op_.deadline);
    }
    static void await_resume() noexcept {}

private:
    in_frame_operation<timer_operation> op_;
};

template <event_loop Loop>
class [[nodiscard]] yield_awaiter {
public:
    using lies_in_frame = void;

    explicit yield_awaiter(Loop& loop) noexcept : loop_(loop) {}

    static bool await_ready() noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter) {
        op_.set_waiter(waiter);
        loop_.post(&op_);
    }
    static void await_resume() noexcept {}

private:
    Loop& loop_;
    in_frame_operation<operation> op_;
};

/// One step of I/O whose result is the operation's own: accept, read, close.
template <event_loop Loop, class Result>
class [[nodiscard]] io_awaiter {
public:
    using lies_in_frame = void;

    io_awaiter(Loop& loop, operation_kind kind, int descriptor,
               std::span<std::byte> buffer = {}) noexcept
        : loop_(loop), op_(kind) {
        op_.descriptor = descriptor;
        op_.data = buffer.data();
        op_.size = buffer.size();
    }

    static bool await_ready() noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter) {
        op_.set_waiter(waiter);
        loop_.submit(&op_);
    }
    Result await_resume() const {
        if (op_.result < 0) throw_errno(-op_.result, call_name(op_.kind));
        return static_cast<Result>(op_.result);
    }

private:
    static const char* call_name(operation_kind kind) noexcept {
        switch (kind) {
        case operation_kind::accept:
            return "accept";
        case operation_kind::read:
            return "read";
        default:
            return "close";
        }
    }

    Loop& loop_;
    in_frame_operation<io_operation> op_;
};

/// Writes all of a buffer; what the loop left over is submitted again without resuming the task.
template <event_loop Loop>
class [[nodiscard]] write_awaiter {
public:
    using lies_in_frame = void;

    write_awaiter(Loop& loop, int descriptor, std::span<const std::byte> bytes) noexcept
        : op_{loop} {
        op_.descriptor = descriptor;
        op_.data = const_cast<std::byte*>(bytes.data());  // A write reads from it only.
        op_.size = bytes.size();
    }

    [[nodiscard]] bool await_ready() const noexcept { return op_.size == 0; }
    void await_suspend(std::coroutine_handle<> waiter) {
        op_.set_waiter(waiter);
        op_.loop.submit(&op_);
    }
    void await_resume() const {
        if (op_.result < 0) throw_errno(-op_.result, "write");
    }

private:
    struct write_operation : in_frame_operation<io_operation> {
        explicit write_operation(Loop& to) noexcept
            : in_frame_operation<io_operation>(operation_kind::write), loop(to) {
            this->done = &go_on;
        }

        static void go_on(operation* self) noexcept {
            auto& op = static_cast<write_operation&>(*self);
            const auto written = static_cast<std::size_t>(op.result);
            if (op.result < 0 || written == op.size) {
                op.resume_waiter();
                return;
            }
            op.data = static_cast<std::byte*>(op.data) + written;
            op.size -= written;
            try {
                op.loop.submit(&op);
            } catch (const std::bad_alloc&) {
                op.result = -ENOMEM;
                op.resume_waiter();
            }
        }

        Loop& loop;
    };

    write_operation op_;
};

/// Makes a socket and connects it. When that fails the socket is closed, through the loop as the
/// contract asks, before the task hears of it.
template <event_loop Loop>
class [[nodiscard]] connect_awaiter {
public:
    using lies_in_frame = void;

    connect_awaiter(Loop& loop, const endpoint& peer) noexcept : op_{loop, peer} {}

    static bool await_ready() noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter) {
        unique_descriptor socket(check_errno(
            ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket"));
        set_no_delay(socket.get());
        op_.set_waiter(waiter);
        op_.data = const_cast<sockaddr*>(op_.peer.data());
        op_.size = endpoint::size();
        op_.descriptor = socket.release();
        op_.loop.submit(&op_);
    }
    int await_resume() const {
        if (op_.error != 0) throw_errno(op_.error, "connect");
        return op_.descriptor;
    }

private:
    struct connect_operation : in_frame_operation<io_operation> {
        connect_operation(Loop& to, const endpoint& whom) noexcept
            : in_frame_operation<io_operation>(operation_kind::connect), loop(to), peer(whom) {
            this->done = &finish;
        }

        static void finish(operation* self) noexcept {
            auto& op = static_cast<connect_operation&>(*self);
            if (op.kind == operation_kind::connect && op.result < 0) {
                op.error = -op.result;
                op.kind = operation_kind::close;
                try {
                    op.loop.submit(&op);
                    return;
                } catch (const std::bad_alloc&) {
                    ::close(
                        op.descriptor);  // The loop may remember it; a descriptor lost is worse.
                }
            }
            op.resume_waiter();
        }

        Loop& loop;
        endpoint peer;
        int error = 0;
    };

    connect_operation op_;
};

}  // namespace overlap::detail
