// asio's io_context as an event loop of ours. Each operation is one of asio's own: a post, an
// asynchronous wait of a timer, an asynchronous accept, connect, read or write of a socket; asio
// queues, orders, performs and cancels them. ../README.md says where that did not suffice.
#pragma once

#include <overlap/core/error.hpp>
#include <overlap/core/event_loop.hpp>
#include <overlap/foreign_loops/recycled.hpp>
#include <overlap/loops/run_some.hpp>

#include <algorithm>
#include <asio.hpp>
#include <cerrno>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <fcntl.h>
#include <limits>
#include <memory_resource>
#include <optional>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>

namespace overlap {

/// A clock for asio's timers, which complete in no particular order when their deadlines are equal:
/// its time points are nanoseconds and, below them, the numbers of the calls.
struct call_order_clock {
    using duration = nanoseconds;
    using rep = duration::rep;
    using period = duration::period;

    struct time_point {
        overlap::time_point time{};
        std::uint64_t call = 0;

        static constexpr time_point min() noexcept { return {overlap::time_point::min(), 0}; }
        static constexpr time_point max() noexcept {
            return {overlap::time_point::max(), std::numeric_limits<std::uint64_t>::max()};
        }
        friend constexpr auto operator<=>(const time_point&, const time_point&) = default;
        friend constexpr duration operator-(const time_point& a, const time_point& b) noexcept {
            return a.time - b.time;
        }
    };

    static constexpr bool is_steady = true;

    /// After every deadline of this nanosecond, whatever the number of its call.
    static time_point now() noexcept {
        return {std::chrono::steady_clock::now(), time_point::max().call};
    }
};

/// Keeps the contract in core/event_loop.hpp. Needs asio 1.22 or later. Posts may need memory, and
/// throw std::bad_alloc. The constructor throws std::system_error when there is no descriptor left.
class asio_loop {
public:
    static constexpr std::string_view name() { return "asio_loop"; }

    static availability available() noexcept {
        try {
            const asio_loop probe;
            return {};
        } catch (...) {
            return {describe(std::current_exception())};
        }
    }

    /// asio opens its descriptors for the first socket or timer, where the contract has no room for
    /// an error. So there is a socket here.
    asio_loop() { const socket first(context_); }
    asio_loop(const asio_loop&) = delete;
    asio_loop& operator=(const asio_loop&) = delete;

    /// The sockets are their owners' again.
    ~asio_loop() {
        for (descriptor& each : descriptors_) {
            asio::error_code ignored;
            if (each.stream) each.stream->release(ignored);
            if (each.listener) each.listener->release(ignored);
        }
    }

    [[nodiscard]] time_point now() const noexcept { return std::chrono::steady_clock::now(); }

    void post(operation* op) {
        posted_.push(op);
        expect_posted();
    }

    void post_remote(operation* op) {
        asio::post(context_, handed_over{{&remote_memory_}, this, op});
    }

    void call_at(timer_operation* op, time_point deadline) {
        timer* waits = timers_.take(context_);
        waits->expires_at({std::max(deadline, now()), ++calls_});
        op->scratch = waits;
        waits->async_wait(timer_done{{&memory_}, this, op});
        op->state = submitted;
    }

    void submit(io_operation* op) {
        if (op->kind == operation_kind::close) return finish(op, close(op->descriptor));
        if (op->descriptor < 0) return finish(op, -EBADF);
        if (!is_sound(op)) return finish(op, -EINVAL);
        const auto index = static_cast<std::size_t>(op->descriptor);
        if (index >= descriptors_.size()) descriptors_.resize(2 * index + 1);
        descriptor& at = descriptors_[index];
        const bool listens = op->kind == operation_kind::accept;
        const int error =
            listens ? open(at.listener, op->descriptor) : open(at.stream, op->descriptor);
        if (error != 0) return finish(op, error);
        start(op, at);
    }

    void cancel(operation* op) {
        if (op->state != submitted) return;
        if (op->kind == operation_kind::timer) {
            static_cast<timer*>(static_cast<timer_operation*>(op)->scratch)->cancel();
        } else if (op->kind != operation_kind::post) {
            static_cast<asio::cancellation_signal*>(static_cast<io_operation*>(op)->scratch)
                ->emit(asio::cancellation_type::terminal);
        }
    }

    void run() {
        context_.run();
        context_.restart();  // What stop() asked for is done.
        stopping_ = false;
    }

    void stop() {
        stopping_ = true;
        context_.stop();
    }

private:
    enum : std::uint8_t { idle, submitted };

    using executor = asio::io_context::executor_type;
    // The families of the sockets do not matter to what is done with them here.
    using protocol = asio::generic::stream_protocol;
    using socket = asio::basic_stream_socket<protocol, executor>;
    using acceptor = asio::basic_socket_acceptor<protocol, executor>;
    using timer =
        asio::basic_waitable_timer<call_order_clock, asio::wait_traits<call_order_clock>, executor>;

    /// What asio calls when an operation is over is kept in memory that is used again.
    struct in_memory_of {
        std::pmr::memory_resource* resource;

        using allocator_type = std::pmr::polymorphic_allocator<std::byte>;
        [[nodiscard]] allocator_type get_allocator() const noexcept { return {resource}; }
    };

    // asio would run all that is posted before it looks at timers and sockets again. So it only knows
    // one handler for all of them, which runs some and goes to the end of asio's queue.

    struct run_posted : in_memory_of {
        asio_loop* loop;

        void operator()() const {
            loop->posted_is_expected_ = false;
            run_some(loop->posted_, loop->stopping_);
            if (!loop->posted_.empty()) loop->expect_posted();
        }
    };

    void expect_posted() {
        if (posted_is_expected_) return;
        asio::post(context_, run_posted{{&memory_}, this});
        posted_is_expected_ = true;
    }

    struct handed_over : in_memory_of {
        asio_loop* loop;
        operation* op;

        void operator()() const { loop->post(op); }
    };

    struct completed : in_memory_of {
        operation* op;

        void operator()() const noexcept { op->done(op); }
    };

    struct timer_done : in_memory_of {
        asio_loop* loop;
        timer_operation* op;

        void operator()(const asio::error_code& error) const noexcept {
            loop->timers_.give_back(static_cast<timer*>(op->scratch));
            complete(op, -error.value());
        }
    };

    struct io_done : in_memory_of {
        asio_loop* loop;
        io_operation* op;

        using cancellation_slot_type = asio::cancellation_slot;
        [[nodiscard]] cancellation_slot_type get_cancellation_slot() const noexcept {
            return signal()->slot();
        }
        [[nodiscard]] asio::cancellation_signal* signal() const noexcept {
            return static_cast<asio::cancellation_signal*>(op->scratch);
        }

        void operator()(const asio::error_code& error, std::size_t bytes = 0) const noexcept {
            finish(error == asio::error::eof ? 0
                   : error                   ? -error.value()
                                             : static_cast<int>(bytes));
        }
        void operator()(const asio::error_code& error, socket connection) const noexcept {
            finish(error ? -error.value() : take_over(connection));
        }

        void finish(int result) const noexcept {
            loop->signals_.give_back(signal());
            complete(op, result);
        }
    };

    /// A descriptor that the loop was given, as asio knows it: one of the two.
    struct descriptor {
        std::optional<socket> stream;
        std::optional<acceptor> listener;
    };

    static void complete(operation* op, int result) noexcept {
        op->state = idle;
        op->result = result;
        op->done(op);
    }

    /// Completes `op`, which asio has not seen, from inside run().
    void finish(io_operation* op, int result) {
        op->state = idle;
        op->result = result;
        asio::post(context_, completed{{&memory_}, op});
    }

    /// asio would throw for an address that is longer than any is.
    static bool is_sound(const io_operation* op) noexcept {
        switch (op->kind) {
        case operation_kind::connect:
            return op->size <= sizeof(sockaddr_storage);
        case operation_kind::accept:
        case operation_kind::read:
        case operation_kind::write:
            return true;
        default:
            return false;
        }
    }

    template <class Socket>
    int open(std::optional<Socket>& at, int number) {
        if (at) return 0;
        asio::error_code error;
        at.emplace(context_).assign(protocol(AF_UNSPEC, 0), number, error);
        if (error) at.reset();
        return -error.value();
    }

    void start(io_operation* op, descriptor& at) {
        op->scratch = signals_.take();
        const io_done done{{&memory_}, this, op};
        switch (op->kind) {
        case operation_kind::accept:
            at.listener->async_accept(done);
            break;
        case operation_kind::connect:
            at.stream->async_connect(protocol::endpoint(op->data, op->size), done);
            break;
        case operation_kind::read:
            at.stream->async_read_some(asio::buffer(op->data, op->size), done);
            break;
        default:
            at.stream->async_write_some(asio::buffer(op->data, op->size), done);
            break;
        }
        op->state = submitted;
    }

    int close(int number) noexcept {
        const auto index = static_cast<std::size_t>(number);
        if (number >= 0 && index < descriptors_.size()) {
            descriptor& at = descriptors_[index];
            if (at.stream) return close(at.stream);
            if (at.listener) return close(at.listener);
        }
        return ::close(number) == 0 ? 0 : -errno;
    }

    template <class Socket>
    static int close(std::optional<Socket>& at) noexcept {
        asio::error_code error;
        at->close(error);
        at.reset();
        return -error.value();
    }

    /// The new connection is nobody's yet, so asio lets go of it. It accepts with accept(2): the
    /// flags take calls of their own.
    static int take_over(socket& connection) noexcept {
        asio::error_code ignored;
        const int number = connection.release(ignored);
        ::fcntl(number, F_SETFL, O_NONBLOCK);
        ::fcntl(number, F_SETFD, FD_CLOEXEC);
        return number;
    }

    // What asio's operations are made in outlives the context, which gives it back as it ends.
    std::pmr::unsynchronized_pool_resource memory_;
    std::pmr::synchronized_pool_resource remote_memory_;
    recycled<asio::cancellation_signal> signals_;
    asio::io_context context_{1};  // One thread runs it.
    asio::executor_work_guard<executor> until_stopped_{context_.get_executor()};
    recycled<timer> timers_;
    std::uint64_t calls_ = 0;
    operation_queue posted_;
    bool posted_is_expected_ = false;  // asio has the handler that runs them.
    bool stopping_ = false;
    std::deque<descriptor> descriptors_;  // By number. asio's sockets must not move.
};

static_assert(event_loop<asio_loop>);

}  // namespace overlap
