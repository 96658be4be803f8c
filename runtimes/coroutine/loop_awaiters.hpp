// The awaitables that submit an operation to a loop: sleeping, yielding and I/O. Each lives in the
// waiting coroutine's frame and holds the operation itself, so waiting allocates nothing.
#pragma once

#include <overlap/core/error.hpp>
#include <overlap/core/event_loop.hpp>
#include <overlap/core/io_deadline.hpp>
#include <overlap/core/socket.hpp>
#include <overlap/coroutine/resume_operation.hpp>

#include <cerrno>
#include <coroutine>
#include <cstddef>
#include <new>
#include <span>
#include <unistd.h>

namespace overlap::detail {

/// A million of these may wait at once, so until the timer is submitted, the field that is then the
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
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> waiter) {
        auto& loop = *static_cast<Loop*>(op_.scratch);
        if (op_.set_waiter(waiter)) return loop.post(&op_);
        loop.call_at(&op_, op_.deadline);
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
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> waiter) {
        op_.set_waiter(waiter);
        loop_.post(&op_);
    }
    static void await_resume() noexcept {}

private:
    Loop& loop_;
    in_frame_operation<operation> op_;
};

/// One step of I/O whose result is the operation's own: accept, read.
template <event_loop Loop, class Result, class Deadline = no_deadline>
class [[nodiscard]] io_awaiter {
public:
    using lies_in_frame = void;

    template <class... Limit>
    io_awaiter(Loop& loop, operation_kind kind, int descriptor, std::span<std::byte> buffer,
               Limit&... limit) noexcept
        : loop_(loop), op_(kind), deadline_(limit...) {
        op_.descriptor = descriptor;
        op_.data = buffer.data();
        op_.size = buffer.size();
    }

    static bool await_ready() noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> waiter) {
        if (op_.set_waiter(waiter)) return loop_.post(&op_);
        deadline_.start(&op_);
        loop_.submit(&op_);
    }
    Result await_resume() {
        deadline_.stop();
        if (op_.result < 0) fail();
        return static_cast<Result>(op_.result);
    }

private:
    [[noreturn, gnu::cold]] void fail() const {
        const char* const call = op_.kind == operation_kind::accept ? "accept" : "read";
        if (op_.result == -ECANCELED && deadline_.has_come()) throw_errno(ETIMEDOUT, call);
        throw_errno(-op_.result, call);
    }

    Loop& loop_;
    in_frame_operation<io_operation> op_;
    [[no_unique_address]] Deadline deadline_;
};

/// Cannot be cancelled: it never waits, and what was opened must be closed.
template <event_loop Loop>
class [[nodiscard]] close_awaiter {
public:
    using lies_in_frame = void;

    close_awaiter(Loop& loop, int descriptor) noexcept : loop_(loop), op_(operation_kind::close) {
        op_.descriptor = descriptor;
    }

    static bool await_ready() noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter) {
        op_.set_waiter(waiter);
        loop_.submit(&op_);
    }
    void await_resume() const {
        if (op_.result < 0) throw_errno(-op_.result, "close");
    }

private:
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
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> waiter) {
        op_.done = &write_operation::template go_on<is_cancellable<Promise>>;
        if (op_.set_waiter(waiter)) return op_.loop.post(&op_);
        op_.loop.submit(&op_);
    }
    void await_resume() const {
        if (op_.result < 0) throw_errno(-op_.result, "write");
    }

private:
    struct write_operation : in_frame_operation<io_operation> {
        explicit write_operation(Loop& to) noexcept
            : in_frame_operation<io_operation>(operation_kind::write), loop(to) {}

        template <bool Cancellable>
        static void go_on(operation* self) noexcept {
            auto& op = static_cast<write_operation&>(*self);
            const auto written = static_cast<std::size_t>(op.result);
            if (op.result >= 0 && written < op.size) {
                if (!Cancellable || promise_of(op.waiter()).is_cancelled == 0) {
                    if (op.submit_rest(written)) return;
                } else {
                    op.result = -ECANCELED;
                }
            }
            op.template resume_waiter<Cancellable>();
        }

        bool submit_rest(std::size_t written) noexcept {
            data = static_cast<std::byte*>(data) + written;
            size -= written;
            try {
                loop.submit(this);
                return true;
            } catch (const std::bad_alloc&) {
                result = -ENOMEM;
                return false;
            }
        }

        Loop& loop;
    };

    write_operation op_;
};

/// Makes a socket and connects it. When that fails the socket is closed, through the loop as the
/// contract asks, before the task hears of it.
template <event_loop Loop, class Deadline = no_deadline>
class [[nodiscard]] connect_awaiter {
public:
    using lies_in_frame = void;

    template <class... Limit>
    connect_awaiter(Loop& loop, const endpoint& peer, Limit&... limit) noexcept
        : op_{loop, peer, limit...} {}

    static bool await_ready() noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> waiter) {
        op_.done = &connect_operation::template finish<is_cancellable<Promise>>;
        unique_descriptor socket(check_errno(
            ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket"));
        set_no_delay(socket.get());
        op_.data = const_cast<sockaddr*>(op_.peer.data());
        op_.size = endpoint::size();
        op_.descriptor = socket.get();
        if (op_.set_waiter(waiter)) {
            op_.loop.post(&op_);
        } else {
            op_.deadline.start(&op_);
            op_.loop.submit(&op_);
        }
        (void)socket.release();
    }
    int await_resume() const {
        if (op_.error == 0) return op_.descriptor;
        const bool late = op_.error == ECANCELED && op_.deadline.has_come();
        throw_errno(late ? ETIMEDOUT : op_.error, "connect");
    }

private:
    struct connect_operation : in_frame_operation<io_operation> {
        template <class... Limit>
        connect_operation(Loop& to, const endpoint& whom, Limit&... limit) noexcept
            : in_frame_operation<io_operation>(operation_kind::connect), loop(to), peer(whom),
              deadline(limit...) {}

        template <bool Cancellable>
        static void finish(operation* self) noexcept {
            auto& op = static_cast<connect_operation&>(*self);
            op.deadline.stop();
            if (op.kind == operation_kind::connect && op.result < 0) {
                op.error = -op.result;
                op.kind = operation_kind::close;
                if constexpr (Cancellable) promise_of(op.waiter()).note_nothing();
                try {
                    op.loop.submit(&op);
                    return;
                } catch (const std::bad_alloc&) {
                    ::close(
                        op.descriptor);  // The loop may remember it; a descriptor lost is worse.
                }
            }
            op.result = -op.error;
            op.template resume_waiter<Cancellable>();
        }

        Loop& loop;
        endpoint peer;
        int error = 0;
        [[no_unique_address]] Deadline deadline;
    };

    connect_operation op_;
};

}  // namespace overlap::detail
