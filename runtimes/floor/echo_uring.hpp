// The least work that io_uring can echo with: one thread, one ring, no runtime.
//
// One receive or one send in flight a connection, each into or from its own buffer, submitted and
// waited for in one system call a batch. README.md says what else was tried and what it cost.
#pragma once

#include <overlap/core/socket.hpp>
#include <overlap/floor/first_error.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <liburing.h>
#include <string>
#include <sys/socket.h>
#include <vector>

namespace overlap::floor {

namespace detail {

/// A ring for one thread. Throws std::system_error that names io_uring where the kernel refuses it.
class ring {
public:
    /// `in_flight` is the most operations that will ever be in flight, so that no completion has
    /// to wait for room.
    explicit ring(unsigned in_flight) {
        const unsigned submissions = std::clamp(in_flight, 8U, 1024U);
        // The best that Linux 6.1 and later can do: completions are gathered only when this thread
        // asks for them. Older kernels know neither flag and do without.
        int error =
            open(submissions, in_flight, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
        if (error == -EINVAL) error = open(submissions, in_flight, 0);
        if (error < 0) throw_errno(-error, "io_uring");
        ::io_uring_register_ring_fd(&ring_);  // saves a look-up a call; without it all still works
    }
    ring(const ring&) = delete;
    ring& operator=(const ring&) = delete;
    ~ring() { ::io_uring_queue_exit(&ring_); }

    io_uring* get() { return &ring_; }

    io_uring_sqe& next_submission() {
        io_uring_sqe* entry = ::io_uring_get_sqe(&ring_);
        while (entry == nullptr) {
            check(::io_uring_submit(&ring_));
            entry = ::io_uring_get_sqe(&ring_);
        }
        return *entry;
    }

    void submit_and_wait() { check(::io_uring_submit_and_wait(&ring_, 1)); }

private:
    int open(unsigned submissions, unsigned completions, unsigned flags) {
        io_uring_params parameters{};
        parameters.flags = flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
        parameters.cq_entries = std::max(submissions, completions);
        return ::io_uring_queue_init_params(submissions, &ring_, &parameters);
    }

    static void check(int result) {
        if (result < 0 && result != -EINTR) throw_errno(-result, "io_uring_enter");
    }

    io_uring ring_{};
};

class uring_echo {
public:
    uring_echo(int listener, std::size_t connections, std::size_t buffer_size)
        : listener_(listener), wanted_(connections), buffer_size_(buffer_size),
          buffers_(connections * buffer_size), ring_(static_cast<unsigned>(connections) + 1) {
        connections_.reserve(connections);
    }

    std::vector<std::uint64_t> run() {
        if (wanted_ > 0) accept();
        while (open_ > 0 || connections_.size() < wanted_) {
            ring_.submit_and_wait();
            unsigned head = 0;
            unsigned count = 0;
            io_uring_cqe* completion = nullptr;
            io_uring_for_each_cqe(ring_.get(), head, completion) {
                complete(completion->user_data, completion->res);
                ++count;
            }
            ::io_uring_cq_advance(ring_.get(), count);
        }
        error_.raise();
        std::vector<std::uint64_t> echoed;
        echoed.reserve(connections_.size());
        for (const connection& each : connections_) echoed.push_back(each.echoed);
        return echoed;
    }

private:
    static constexpr std::uint64_t accept_index = ~std::uint64_t{0};

    struct connection {
        unique_descriptor socket;
        std::size_t read = 0;  // bytes in its buffer; 0 while it receives
        std::size_t sent = 0;  // how many of them have gone back
        std::uint64_t echoed = 0;
    };

    void complete(std::uint64_t index, int result) {
        if (index == accept_index) return accepted(result);
        connection& at = connections_[index];
        if (result < 0) return end(index, -result);
        const auto bytes = static_cast<std::size_t>(result);
        if (at.read == 0) {
            if (bytes == 0) return end(index, 0);
            at.read = bytes;
            return send(index);
        }
        at.sent += bytes;
        at.echoed += bytes;
        if (at.sent < at.read) return send(index);
        at.read = at.sent = 0;
        receive(index);
    }

    void accept() {
        io_uring_sqe& entry = ring_.next_submission();
        ::io_uring_prep_accept(&entry, listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        entry.user_data = accept_index;
    }

    void accepted(int result) {
        if (result >= 0) {
            connections_.push_back({.socket = unique_descriptor(result)});
            ++open_;
            receive(connections_.size() - 1);
        } else if (result != -EINTR && result != -ECONNABORTED) {
            error_.keep(-result, "accept of connection " + std::to_string(connections_.size()));
            wanted_ = connections_.size();
        }
        if (connections_.size() < wanted_) accept();
    }

    void receive(std::uint64_t index) {
        io_uring_sqe& entry = ring_.next_submission();
        ::io_uring_prep_recv(&entry, connections_[index].socket.get(), buffer(index), buffer_size_,
                             0);
        entry.user_data = index;
    }

    void send(std::uint64_t index) {
        const connection& at = connections_[index];
        io_uring_sqe& entry = ring_.next_submission();
        ::io_uring_prep_send(&entry, at.socket.get(), buffer(index) + at.sent, at.read - at.sent,
                             MSG_NOSIGNAL);
        entry.user_data = index;
    }

    void end(std::uint64_t index, int error) {
        if (error != 0) error_.keep(error, "echo on connection " + std::to_string(index));
        connections_[index].socket = unique_descriptor();
        --open_;
    }

    std::byte* buffer(std::uint64_t index) { return buffers_.data() + index * buffer_size_; }

    int listener_;
    std::size_t wanted_;
    std::size_t open_ = 0;
    std::size_t buffer_size_;
    std::vector<std::byte> buffers_;
    std::vector<connection> connections_;
    ring ring_;
    first_error error_;
};

}  // namespace detail

/// Accepts `connections` connections from `listener` (non-blocking; it stays the caller's) and
/// sends back what each sends, at most `buffer_size` bytes at a time, until it closes. Returns the
/// bytes echoed on each connection in the order of acceptance. If connections fail, the others are
/// served to their ends first; then the first failure is thrown as std::system_error, as is a
/// kernel's refusal of io_uring.
inline std::vector<std::uint64_t> echo_uring(int listener, std::size_t connections,
                                             std::size_t buffer_size) {
    return detail::uring_echo(listener, connections, buffer_size).run();
}

}  // namespace overlap::floor
