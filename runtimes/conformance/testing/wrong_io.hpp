// Loops that get I/O or descriptors wrong, each in one thing.
#pragma once

#include <overlap/conformance/testing/wrong_loop.hpp>
#include <overlap/core/socket.hpp>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <map>
#include <poll.h>
#include <set>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

namespace overlap::conformance::wrong_loops {

/// Reads what is there at once and says so before submit() returns.
class completes_reads_inside_submit : public wrong_loop {
public:
    void submit(io_operation* op) override {
        if (op->kind == operation_kind::read) {
            const auto got = ::recv(op->descriptor, op->data, op->size, MSG_DONTWAIT);
            if (got >= 0) {
                op->result = static_cast<int>(got);
                return op->done(op);
            }
        }
        right_.submit(op);
    }
};

/// Sees when its I/O completes; a derived class spoils the result.
class watches_io : public wrong_loop {
public:
    void submit(io_operation* op) override {
        take_over(op, submitted_by::submit);
        right_.submit(op);
    }

private:
    void completed(operation* op, submitted_by) noexcept override {
        spoil(static_cast<io_operation&>(*op));
        op->done(op);
    }
    virtual void spoil(io_operation&) noexcept {}
};

class garbles_what_it_reads : public watches_io {
    void spoil(io_operation& op) noexcept override {
        if (op.kind == operation_kind::read && op.result > 1) ++static_cast<char*>(op.data)[1];
    }
};

class takes_end_of_file_for_an_error : public watches_io {
    void spoil(io_operation& op) noexcept override {
        if (op.kind == operation_kind::read && op.result == 0) op.result = -EPIPE;
    }
};

class gives_errors_as_positive_numbers : public watches_io {
    void spoil(io_operation& op) noexcept override {
        if (op.result < 0 && op.result != -ECANCELED) op.result = -op.result;
    }
};

/// Takes a writable socket for a connected one.
class takes_refused_connections_for_made : public watches_io {
    void spoil(io_operation& op) noexcept override {
        if (op.kind == operation_kind::connect && op.result == -ECONNREFUSED) op.result = 0;
    }
};

class accepts_blocking_connections : public watches_io {
    void spoil(io_operation& op) noexcept override {
        if (op.kind == operation_kind::accept && op.result >= 0) ::fcntl(op.result, F_SETFL, 0);
    }
};

class says_that_short_writes_were_whole : public watches_io {
    void spoil(io_operation& op) noexcept override {
        if (op.kind == operation_kind::write && op.result > 0)
            op.result = static_cast<int>(op.size);
    }
};

class leaves_a_duplicate_of_what_it_accepts : public watches_io {
    void spoil(io_operation& op) noexcept override {
        if (op.kind == operation_kind::accept) ::fcntl(op.result, F_DUPFD_CLOEXEC, 0);
    }
};

/// Keeps accepts that cannot complete at once on a stack.
class accepts_last_in_first_out : public wrong_loop {
public:
    void submit(io_operation* op) override {
        if (op->kind != operation_kind::accept) return right_.submit(op);
        auto& at = listeners_[op->descriptor];
        if (at.busy) return at.stack.push_back(op);
        at.busy = true;
        take_over(op, submitted_by::submit);
        right_.submit(op);
    }
    void cancel(operation* op) override {
        for (auto& [descriptor, at] : listeners_) {
            if (std::erase(at.stack, op) > 0) return complete_later(op, -ECANCELED);
        }
        right_.cancel(op);
    }

private:
    struct listener {
        bool busy = false;
        std::vector<io_operation*> stack;
    };

    void completed(operation* op, submitted_by) noexcept override {
        auto& at = listeners_[static_cast<io_operation*>(op)->descriptor];
        at.busy = false;
        if (!at.stack.empty()) {
            io_operation* next = at.stack.back();
            at.stack.pop_back();
            submit(next);
        }
        op->done(op);
    }

    std::map<int, listener> listeners_;
};

/// Has one place a descriptor for what waits on it.
class loses_the_second_operation_on_a_descriptor : public wrong_loop {
public:
    void submit(io_operation* op) override {
        if (op->kind == operation_kind::accept) return right_.submit(op);
        if (!busy_.insert(op->descriptor).second) return;
        take_over(op, submitted_by::submit);
        right_.submit(op);
    }

private:
    void completed(operation* op, submitted_by) noexcept override {
        busy_.erase(static_cast<io_operation*>(op)->descriptor);
        op->done(op);
    }

    std::set<int> busy_;
};

/// Asks the kernel about I/O only when it is awake for something else.
class does_not_wait_for_io : public wrong_loop {
public:
    void post(operation* op) override {
        take_over(op, submitted_by::post);
        right_.post(op);
    }
    void call_at(timer_operation* op, time_point deadline) override {
        take_over(op, submitted_by::call_at);
        right_.call_at(op, deadline);
    }
    void submit(io_operation* op) override { waiting_.push_back(op); }
    void cancel(operation* op) override {
        if (std::erase(waiting_, op) == 0) return right_.cancel(op);
        complete_later(op, -ECANCELED);
    }
    void run() override {
        look();
        right_.run();
    }

private:
    void completed(operation* op, submitted_by) noexcept override {
        op->done(op);
        look();
    }

    void look() {
        for (io_operation* op : std::exchange(waiting_, {})) {
            const bool reads =
                op->kind == operation_kind::read || op->kind == operation_kind::accept;
            const short events = reads ? POLLIN : POLLOUT;
            pollfd now{.fd = op->descriptor, .events = events, .revents = 0};
            if (op->descriptor >= 0 && ::poll(&now, 1, 0) == 0) {
                waiting_.push_back(op);
            } else {
                if (!is_taken_over(op)) take_over(op, submitted_by::submit);
                right_.submit(op);
            }
        }
    }

    std::vector<io_operation*> waiting_;
};

/// Knows descriptors as select(2) does, up to a number.
class has_room_for_1024_descriptors : public wrong_loop {
public:
    void submit(io_operation* op) override {
        if (op->descriptor < FD_SETSIZE) return right_.submit(op);
        complete_later(op, -EBADF);
    }
};

class does_not_cancel_connects : public wrong_loop {
public:
    void cancel(operation* op) override {
        if (op->kind != operation_kind::connect) right_.cancel(op);
    }
};

/// Tells the kernel of what was submitted in run(), and has nothing to cancel before.
class does_not_cancel_before_run : public wrong_loop {
public:
    void submit(io_operation* op) override {
        fresh_.insert(op);
        right_.submit(op);
    }
    void cancel(operation* op) override {
        if (!fresh_.contains(op)) right_.cancel(op);
    }
    void run() override {
        fresh_.clear();
        right_.run();
    }

private:
    std::set<operation*> fresh_;
};

/// Lets go of a cancelled read while its own read goes on.
class reads_on_for_cancelled_reads : public watches_io {
public:
    void cancel(operation* op) override {
        right_.cancel(op);
        const bool waits = op->kind == operation_kind::read && is_taken_over(op);
        if (!waits || sink_.data != nullptr) return;
        sink_.descriptor = static_cast<io_operation*>(op)->descriptor;
        sink_.data = &byte_;
        sink_.size = 1;
        right_.submit(&sink_);
    }

private:
    io_operation sink_{operation_kind::read, [](operation*) noexcept {}};
    char byte_ = 0;
};

/// Takes what has arrived, and then says that the operation was cancelled.
template <operation_kind Kind>
class swallows_what_arrived_before_cancel : public watches_io {
public:
    void cancel(operation* op) override {
        if (op->kind == Kind && is_taken_over(op)) swallow(static_cast<io_operation&>(*op));
        right_.cancel(op);
    }

private:
    static void swallow(const io_operation& op) {
        if (Kind == operation_kind::accept) {
            const unique_descriptor lost(::accept4(op.descriptor, nullptr, nullptr, SOCK_CLOEXEC));
        } else {
            ::recv(op.descriptor, op.data, op.size, MSG_DONTWAIT);
        }
    }
};

class cancels_all_accepts_of_a_listener : public watches_io {
public:
    void cancel(operation* op) override {
        right_.cancel(op);
        if (op->kind != operation_kind::accept) return;
        for (operation* other : taken_over()) {
            if (other->kind == operation_kind::accept) right_.cancel(other);
        }
    }
};

class completes_reads_again_when_cancelled_afterwards : public watches_io {
public:
    void cancel(operation* op) override {
        const bool is_read = op->kind == operation_kind::read;
        is_read && !is_taken_over(op) ? complete_again(op) : right_.cancel(op);
    }
};

using touches_io_after_done = touches_after_done<watches_io>;
using completes_io_when_destroyed = completes_when_destroyed<watches_io>;

class writes_to_buffers_when_destroyed : public watches_io {
public:
    ~writes_to_buffers_when_destroyed() override {
        for (operation* op : taken_over()) {
            if (op->kind != operation_kind::read) continue;
            *static_cast<char*>(static_cast<io_operation*>(op)->data) = '!';
        }
    }
};

/// Takes a connection down, but does not close its descriptor.
class shuts_down_instead_of_closing : public wrong_loop {
public:
    void submit(io_operation* op) override {
        if (op->kind != operation_kind::close) return right_.submit(op);
        const bool open = ::fcntl(op->descriptor, F_GETFD) != -1;
        if (open) ::shutdown(op->descriptor, SHUT_RDWR);
        complete_later(op, open ? 0 : -EBADF);
    }
};

/// Does not learn that the number of a closed descriptor is in use again.
class remembers_closed_descriptors : public wrong_loop {
public:
    void submit(io_operation* op) override {
        if (op->kind == operation_kind::close) {
            closed_.insert(op->descriptor);
        } else if (closed_.contains(op->descriptor)) {
            return complete_later(op, -EBADF);
        }
        right_.submit(op);
    }

private:
    std::set<int> closed_;
};

/// Opens a descriptor that nobody closes.
class leaks_a_descriptor : public wrong_loop {
public:
    leaks_a_descriptor() { ::fcntl(right_.remote_.wake_descriptor(), F_DUPFD_CLOEXEC, 0); }
};

}  // namespace overlap::conformance::wrong_loops
