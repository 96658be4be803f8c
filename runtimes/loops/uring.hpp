// The event loop on io_uring(7), through liburing: the kernel makes the calls and completes them.
// One io_uring_enter submits what was asked for and waits for completions and timers alike.
#pragma once

#include <overlap/loops/loop_base.hpp>

#include <array>
#include <liburing.h>
#include <optional>
#include <poll.h>
#include <span>
#include <string>
#include <string_view>
#include <sys/socket.h>

namespace overlap {

/// Keeps the contract in core/event_loop.hpp. Needs Linux 5.11 (IORING_FEAT_EXT_ARG: one wait for
/// completions and a timeout). The constructor throws std::system_error when the kernel refuses.
class uring_loop : public loop_base<uring_loop> {
public:
    /// Ring set-ups in the order they are tried. The first needs Linux 6.1 and runs completions in
    /// this thread only when it asks for them; the second, Linux 5.19, at least does not interrupt
    /// it; the last works everywhere and differs in cost alone.
    static constexpr std::array<unsigned, 3> setups = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
        IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
        0,
    };

    static constexpr std::string_view name() { return "uring"; }

    static availability available() noexcept {
        ring_handle probe;
        const int error = probe.open(2, setups);
        if (error != 0) return {refusal(error)};
        if ((probe.get()->features & IORING_FEAT_EXT_ARG) == 0 ||
            (probe.get()->features & IORING_FEAT_NODROP) == 0) {
            return {"this kernel's io_uring is older than Linux 5.11"};
        }
        return {};
    }

    /// `allowed` is a tail of setups, for trying the fallbacks on a kernel that needs none.
    explicit uring_loop(std::span<const unsigned> allowed = setups) {
        const int error = ring_.open(queue_entries, allowed);
        if (error != 0) throw_errno(-error, refusal(error));
    }

    void submit(io_operation* op) noexcept {
        if (op->kind == operation_kind::write && write_at_once(op)) return;
        io_uring_sqe* entry = next_entry();
        if (entry == nullptr) return complete(op, submit_error_);
        const auto size = static_cast<unsigned>(std::min<std::size_t>(op->size, max_transfer));
        switch (op->kind) {
        case operation_kind::accept:
            io_uring_prep_accept(entry, op->descriptor, nullptr, nullptr,
                                 SOCK_NONBLOCK | SOCK_CLOEXEC);
            break;
        case operation_kind::connect:
            io_uring_prep_connect(entry, op->descriptor, static_cast<const sockaddr*>(op->data),
                                  size);
            break;
        case operation_kind::read:
            io_uring_prep_recv(entry, op->descriptor, op->data, size, 0);
            break;
        case operation_kind::write:
            io_uring_prep_send(entry, op->descriptor, op->data, size, MSG_NOSIGNAL);
            break;
        default:
            io_uring_prep_close(entry, op->descriptor);
            break;
        }
        io_uring_sqe_set_data(entry, op);
        op->state = in_kernel;
        ++pending_;
    }

private:
    friend loop_base<uring_loop>;

    enum : std::uint8_t { idle, in_kernel };

    /// Submissions that fit before a system call must make room; completions get four times that,
    /// and beyond it the kernel keeps them (IORING_FEAT_NODROP).
    static constexpr unsigned queue_entries = 1024;
    static constexpr std::size_t max_transfer = 1U << 30;  // The kernel's own limit is INT_MAX.

    class ring_handle {
    public:
        ring_handle() = default;
        ring_handle(const ring_handle&) = delete;
        ring_handle& operator=(const ring_handle&) = delete;
        ~ring_handle() {
            if (open_) io_uring_queue_exit(&ring_);
        }

        /// Returns 0, or -errno of the last set-up tried.
        int open(unsigned entries, std::span<const unsigned> allowed) noexcept {
            int error = -EINVAL;
            for (const unsigned flags : allowed) {
                io_uring_params parameters{};
                parameters.flags = flags | IORING_SETUP_CQSIZE;
                parameters.cq_entries = 4 * entries;
                error = io_uring_queue_init_params(entries, &ring_, &parameters);
                if (error != -EINVAL) break;  // EINVAL: a flag this kernel does not know.
            }
            open_ = error == 0;
            return error;
        }

        [[nodiscard]] io_uring* get() noexcept { return &ring_; }

    private:
        io_uring ring_{};
        bool open_ = false;
    };

    static std::string refusal(int error) {
        std::string why = "io_uring_setup: " + std::generic_category().message(-error);
        if (error == -ENOSYS) why += " (no io_uring in this kernel, or a seccomp filter hides it)";
        if (error == -EPERM) why += " (see sysctl kernel.io_uring_disabled, or a seccomp filter)";
        if (error == -ENOMEM) why += " (see RLIMIT_MEMLOCK)";
        return why;
    }

    void cancel_io(io_operation* op) noexcept {
        if (op->state != in_kernel) return;
        // The entry goes in behind the operation's own and before that of any other operation that
        // could come to live at the same address.
        io_uring_sqe* entry = next_entry();
        if (entry == nullptr) return;  // It completes with a result of its own.
        io_uring_prep_cancel(entry, op, 0);
        io_uring_sqe_set_data(entry, nullptr);
    }

    [[nodiscard]] bool io_pending() const noexcept { return pending_ != 0; }

    /// Nearly every write has room, and then one send(2) costs less than a request of the ring and
    /// spares the wait that would end with nothing but its completion.
    bool write_at_once(io_operation* op) noexcept {
        const auto sent = ::send(op->descriptor, op->data, op->size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return false;
        complete(op, sent < 0 ? -errno : static_cast<int>(sent));
        return true;
    }

    /// A free entry of the submission queue; nullptr, and submit_error_ says why, if the kernel takes
    /// none of those that fill it.
    io_uring_sqe* next_entry() noexcept {
        io_uring_sqe* entry = io_uring_get_sqe(ring_.get());
        while (entry == nullptr) {
            const int submitted = io_uring_submit(ring_.get());
            if (submitted == -EBUSY || submitted == -EAGAIN) {
                // Kernels that keep what does not fit into the completion queue take nothing more
                // until that has been fetched: io_uring_enter(2).
                io_uring_get_events(ring_.get());
                take_completions();
            } else if (submitted < 0 && submitted != -EINTR) {
                submit_error_ = submitted;
                return nullptr;
            }
            entry = io_uring_get_sqe(ring_.get());
        }
        return entry;
    }

    void wait(std::optional<nanoseconds> timeout) {
        watch_remote();
        int result = 0;
        if (!timeout) {
            result = io_uring_submit_and_wait(ring_.get(), 1);
        } else if (*timeout > nanoseconds(0)) {
            const timespec limit = to_timespec(*timeout);
            __kernel_timespec kernel_limit{.tv_sec = limit.tv_sec, .tv_nsec = limit.tv_nsec};
            io_uring_cqe* first = nullptr;
            result =
                io_uring_submit_and_wait_timeout(ring_.get(), &first, 1, &kernel_limit, nullptr);
        } else if (has_business()) {
            result = io_uring_submit_and_get_events(ring_.get());
        }
        take_completions();
        if (result < 0) expect_mild(result);
    }

    /// Throws unless the error is one of those after which the next call can do better.
    static void expect_mild(int error) {
        for (const int mild : {-ETIME, -EINTR, -EAGAIN, -EBUSY}) {
            if (error == mild) return;
        }
        const char* hint = error == -EEXIST ? " (the loop was made on another thread)" : "";
        throw_errno(-error, std::string("io_uring_enter") + hint);
    }

    /// Whether there is something to submit, or the kernel asks for a call before it completes
    /// more.
    bool has_business() noexcept {
        const unsigned flags = IO_URING_READ_ONCE(*ring_.get()->sq.kflags);
        return io_uring_sq_ready(ring_.get()) != 0 ||
               (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
    }

    /// The eventfd that wakes the loop is polled through the ring, and read when it has something:
    /// what a read in the ring had taken would be lost with the ring.
    void watch_remote() {
        if (wake_.state == in_kernel) return;
        io_uring_sqe* entry = next_entry();
        if (entry == nullptr) return expect_mild(submit_error_);
        io_uring_prep_poll_add(entry, remote_.wake_descriptor(), POLLIN);
        io_uring_sqe_set_data(entry, &wake_);
        wake_.state = in_kernel;
    }

    void take_completions() noexcept {
        io_uring_cqe* completion = nullptr;
        unsigned head = 0;
        unsigned count = 0;
        io_uring_for_each_cqe(ring_.get(), head, completion) {
            ++count;
            auto* op = static_cast<operation*>(io_uring_cqe_get_data(completion));
            if (op == nullptr) continue;  // A cancellation's own completion.
            op->state = idle;
            if (op == &wake_) {
                remote_.drain();
                continue;
            }
            --pending_;
            complete(op, completion->res);
        }
        io_uring_cq_advance(ring_.get(), count);
    }

    std::size_t pending_ = 0;
    operation wake_;
    int submit_error_ = 0;  // Of the last next_entry() that found none, as -errno.
    ring_handle
        ring_;  // Last, so that it closes first: until then the kernel may write to the above.
};

static_assert(event_loop<uring_loop>);

}  // namespace overlap
