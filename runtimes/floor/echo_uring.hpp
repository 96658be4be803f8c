// The least work that io_uring can echo with: one thread, one ring, no runtime.
//
// A connection is armed once and then delivers what arrives in buffers that the kernel picks; what
// it delivers goes back with send(2) at once. Only what a socket has no room for is sent through
// the ring. README.md says what else was tried and what it cost.
#pragma once

#include <overlap/core/socket.hpp>
#include <overlap/floor/first_error.hpp>
#include <overlap/floor/ring.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <liburing.h>
#include <span>
#include <string>
#include <sys/socket.h>
#include <vector>

namespace overlap::floor {

namespace detail {

class uring_echo {
public:
    uring_echo(int listener, std::size_t connections, std::size_t buffer_size)
        : listener_(listener), wanted_(connections),
          ring_(static_cast<unsigned>(2 * connections) + 2),
          buffers_(ring_, connections, buffer_size) {
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
                complete(*completion);
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
    enum step : std::uint64_t { receive_step, send_step, accept_step, cancel_step };

    struct connection {
        unique_descriptor socket;
        std::uint64_t echoed = 0;
        bool receiving = false;  // a receive is armed
        bool sending = false;    // `outgoing` is on its way through the ring
        bool ended = false;      // nothing more will come
        std::vector<std::byte> outgoing{};
        std::vector<std::byte> unsent{};  // what comes after it
    };

    static std::uint64_t tag(step which, std::size_t index = 0) { return index * 4 + which; }

    void complete(const io_uring_cqe& completion) {
        const std::size_t index = completion.user_data / 4;
        switch (static_cast<step>(completion.user_data % 4)) {
        case receive_step:
            return received(index, completion);
        case send_step:
            return sent(index, completion.res);
        case accept_step:
            return accepted(completion.res);
        case cancel_step:
            return;
        }
    }

    void accept() {
        io_uring_sqe& entry = ring_.next_submission();
        ::io_uring_prep_accept(&entry, listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        entry.user_data = tag(accept_step);
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

    void receive(std::size_t index) {
        connection& at = connections_[index];
        io_uring_sqe& entry = ring_.next_submission();
        ::io_uring_prep_recv_multishot(&entry, at.socket.get(), nullptr, 0, 0);
        entry.flags |= IOSQE_BUFFER_SELECT;
        entry.buf_group = 0;
        entry.user_data = tag(receive_step, index);
        at.receiving = true;
    }

    void received(std::size_t index, const io_uring_cqe& completion) {
        connection& at = connections_[index];
        at.receiving = (completion.flags & IORING_CQE_F_MORE) != 0;
        if (completion.res > 0) {
            const std::size_t buffer = completion.flags >> IORING_CQE_BUFFER_SHIFT;
            send_back(index, {buffers_.data(buffer), static_cast<std::size_t>(completion.res)});
            buffers_.give_back(buffer);
        } else if (completion.res == 0) {
            at.ended = true;
        } else if (completion.res != -ENOBUFS && completion.res != -ECANCELED) {
            fail(index, -completion.res);
        }
        if (!at.receiving || !at.unsent.empty()) proceed(index);
    }

    void send_back(std::size_t index, std::span<const std::byte> read) {
        connection& at = connections_[index];
        if (!at.sending && at.unsent.empty()) {
            const ssize_t count = ::send(at.socket.get(), read.data(), read.size(), MSG_NOSIGNAL);
            if (count < 0 && errno != EAGAIN && errno != EINTR) return fail(index, errno);
            const auto gone = static_cast<std::size_t>(std::max<ssize_t>(count, 0));
            at.echoed += gone;
            read = read.subspan(gone);
        }
        at.unsent.insert(at.unsent.end(), read.begin(), read.end());
    }

    // The slow path. While a socket has no room nothing more is read from it, so that a peer that
    // does not read can neither fill this process's memory nor keep buffers from the others.
    void proceed(std::size_t index) {
        connection& at = connections_[index];
        if (!at.sending && !at.unsent.empty()) {
            at.outgoing.clear();
            at.outgoing.swap(at.unsent);
            send(index);
            if (at.receiving) cancel_receive(index);
        }
        if (at.receiving || at.sending) return;
        if (at.ended) {
            at.socket = unique_descriptor();
            --open_;
        } else {
            receive(index);
        }
    }

    void send(std::size_t index) {
        connection& at = connections_[index];
        io_uring_sqe& entry = ring_.next_submission();
        ::io_uring_prep_send(&entry, at.socket.get(), at.outgoing.data(), at.outgoing.size(),
                             MSG_NOSIGNAL);
        entry.user_data = tag(send_step, index);
        at.sending = true;
    }

    void sent(std::size_t index, int result) {
        connection& at = connections_[index];
        at.sending = false;
        if (result < 0) {
            fail(index, -result);
        } else {
            at.echoed += static_cast<std::uint64_t>(result);
            at.unsent.insert(at.unsent.begin(), at.outgoing.begin() + result, at.outgoing.end());
        }
        proceed(index);
    }

    void cancel_receive(std::size_t index) {
        io_uring_sqe& entry = ring_.next_submission();
        ::io_uring_prep_cancel64(&entry, tag(receive_step, index), 0);
        entry.user_data = tag(cancel_step);
    }

    // A broken connection ends like any other, once the ring has let go of it; the shutdown makes
    // sure that it does.
    void fail(std::size_t index, int error) {
        connection& at = connections_[index];
        error_.keep(error, "echo on connection " + std::to_string(index));
        at.ended = true;
        at.unsent.clear();
        ::shutdown(at.socket.get(), SHUT_RDWR);
    }

    int listener_;
    std::size_t wanted_;
    std::size_t open_ = 0;
    std::vector<connection> connections_;
    ring ring_;
    receive_buffers buffers_;
    first_error error_;
};

}  // namespace detail

/// Accepts `connections` connections from `listener` (non-blocking; it stays the caller's) and
/// sends back what each sends, at most `buffer_size` bytes at a time, until it closes. Returns the
/// bytes echoed on each connection in the order of acceptance. If connections fail, the others are
/// served to their ends first; then the first failure is thrown as std::system_error, as is a
/// kernel's refusal of io_uring (it takes Linux 6.1).
inline std::vector<std::uint64_t> echo_uring(int listener, std::size_t connections,
                                             std::size_t buffer_size) {
    return detail::uring_echo(listener, connections, buffer_size).run();
}

}  // namespace overlap::floor
