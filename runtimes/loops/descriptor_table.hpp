// Who waits on which descriptor, for loops that are told when a descriptor is ready (poll, epoll)
// and then make the system calls themselves.
#pragma once

#include <overlap/core/operation_queue.hpp>

#include <cerrno>
#include <cstddef>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace overlap {

/// Operations waiting on descriptors, and what is known of each descriptor's readiness. Owns
/// neither. Not thread-safe. Only submit() may throw (std::bad_alloc, when the table must grow).
class descriptor_table {
public:
    struct entry {
        operation_queue readers;  // accept and read, in the order of the calls
        operation_queue writers;  // connect and write
        bool readable = false;    // A read might succeed: nothing has said otherwise.
        bool writable = true;     // New descriptors usually have room, so writes are tried at once.
        bool hung_up = false;     // The peer will send no more: reads never wait again.
        bool watched = false;     // For the loop: the kernel was told of this descriptor.
    };

    /// Completes `op` into `ready` if it need not wait; otherwise leaves it waiting in its entry.
    void submit(io_operation* op, operation_queue& ready) {
        op->state = idle;  // Whatever a loop that was destroyed with it left there.
        if (op->descriptor < 0) {
            op->result = -EBADF;
            ready.push(op);
            return;
        }
        const auto index = static_cast<std::size_t>(op->descriptor);
        if (index >= entries_.size()) entries_.resize(2 * index + 1);
        entry& at = entries_[index];
        if (op->kind == operation_kind::close) {
            at = entry{};
            op->result = ::close(op->descriptor) == 0 ? 0 : -errno;
            ready.push(op);
            return;
        }
        const bool reads = is_reader(op);
        (reads ? at.readers : at.writers).push(op);
        op->state = waiting;
        ++waiting_;
        reads ? drain_readers(at, ready) : drain_writers(at, ready);
    }

    /// Completes waiting operations of `at` for as long as its flags say that they might succeed.
    void drain(entry& at, operation_queue& ready) {
        drain_readers(at, ready);
        drain_writers(at, ready);
    }

    /// Completes `op` with -ECANCELED if it waits; otherwise it has completed, and nothing happens.
    void cancel(io_operation* op, operation_queue& ready) noexcept {
        if (is_waiting(op)) fail(op, ECANCELED, ready);
    }

    /// Completes `op`, which waits, with -error.
    void fail(io_operation* op, int error, operation_queue& ready) noexcept {
        entry& at = of(op->descriptor);
        (is_reader(op) ? at.readers : at.writers).remove(op);
        finish(op, -error, ready);
    }

    [[nodiscard]] entry& of(int descriptor) noexcept {
        return entries_[static_cast<std::size_t>(descriptor)];
    }
    [[nodiscard]] bool is_waiting(const io_operation* op) const noexcept {
        return op->state != idle;
    }
    [[nodiscard]] bool empty() const noexcept { return waiting_ == 0; }
    /// Entries by descriptor; those past the end have never been used.
    [[nodiscard]] std::vector<entry>& entries() noexcept { return entries_; }

private:
    enum : std::uint8_t { idle, waiting, connecting };

    static bool is_reader(const io_operation* op) noexcept {
        return op->kind == operation_kind::accept || op->kind == operation_kind::read;
    }

    void finish(io_operation* op, int result, operation_queue& ready) noexcept {
        op->state = idle;
        op->result = result;
        --waiting_;
        ready.push(op);
    }

    void drain_readers(entry& at, operation_queue& ready) noexcept {
        while (at.readable || at.hung_up) {
            auto* op = static_cast<io_operation*>(at.readers.front());
            if (op == nullptr) return;
            const int result = attempt(op);
            if (result == -EAGAIN) {
                at.readable = false;
                return;
            }
            // epoll(7): a stream that gave less than was asked for has no more at present, so
            // there is no need to read again just to be told EAGAIN.
            if (op->kind == operation_kind::read && result >= 0 &&
                static_cast<std::size_t>(result) < op->size) {
                at.readable = false;
            }
            at.readers.pop();
            finish(op, result, ready);
        }
    }

    void drain_writers(entry& at, operation_queue& ready) noexcept {
        while (at.writable) {
            auto* op = static_cast<io_operation*>(at.writers.front());
            if (op == nullptr) return;
            const int result = attempt(op);
            if (result == -EAGAIN) {
                at.writable = false;
                return;
            }
            at.writers.pop();
            finish(op, result, ready);
        }
    }

    /// One try without waiting: the operation's result, or -EAGAIN.
    static int attempt(io_operation* op) noexcept {
        for (;;) {
            const auto result = call(op);
            if (result >= 0) return static_cast<int>(result);
            // accept(2): a connection that was reset while queued is the next caller's, not ours.
            if (errno != EINTR && errno != ECONNABORTED) return -errno;
        }
    }

    static ssize_t call(io_operation* op) noexcept {
        switch (op->kind) {
        case operation_kind::accept:
            return ::accept4(op->descriptor, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        case operation_kind::read:
            return ::recv(op->descriptor, op->data, op->size, MSG_DONTWAIT);
        case operation_kind::write:
            return ::send(op->descriptor, op->data, op->size, MSG_DONTWAIT | MSG_NOSIGNAL);
        case operation_kind::connect:
            return connect_step(op);
        default:
            errno = EINVAL;
            return -1;
        }
    }

    /// The first call asks for the connection; the next, when the descriptor is writable, asks what
    /// came of it.
    static int connect_step(io_operation* op) noexcept {
        if (op->state != connecting) {
            op->state = connecting;
            const int result = ::connect(op->descriptor, static_cast<const sockaddr*>(op->data),
                                         static_cast<socklen_t>(op->size));
            if (result != 0 && errno == EINPROGRESS) errno = EAGAIN;
            return result;
        }
        int error = 0;
        socklen_t size = sizeof error;
        if (::getsockopt(op->descriptor, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return -1;
        errno = error;
        return error == 0 ? 0 : -1;
    }

    std::vector<entry> entries_;
    std::size_t waiting_ = 0;
};

}  // namespace overlap
