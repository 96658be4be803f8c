// An event loop on poll(2), written from its contract alone: see overlap/core/event_loop.hpp.
// Copy it, and change what it waits with.
#pragma once

#include <overlap/core/event_loop.hpp>
#include <overlap/core/operation_queue.hpp>
#include <overlap/core/socket.hpp>

#include <algorithm>
#include <map>
#include <memory_resource>
#include <mutex>
#include <poll.h>
#include <sys/eventfd.h>
#include <vector>

namespace example {

using namespace overlap;

class loop {
public:
    static constexpr std::string_view name() { return "example"; }
    static availability available() noexcept { return {}; }  // Every Linux has poll(2).
    time_point now() const { return std::chrono::steady_clock::now(); }
    void post(operation* op) { posted_.push(op); }
    void post_remote(operation* op) {
        const std::lock_guard lock(mutex_);
        remote_.push(op);
        ::eventfd_write(wake_.get(), 1);
    }
    // A multimap keeps the order of equal deadlines.
    void call_at(timer_operation* op, time_point at) {
        op->deadline = std::max(at, now());
        timers_.emplace(op->deadline, op);
    }
    void submit(io_operation* op) {
        const auto is_like_op = [op](const io_operation* other) {
            return other->descriptor == op->descriptor && other->kind == op->kind;
        };
        if (std::ranges::any_of(waiting_, is_like_op) || !attempt(op)) waiting_.push_back(op);
    }
    void cancel(operation* op) {  // Of I/O in time in proportion to what waits, to be short.
        if (std::erase(waiting_, op) > 0) return complete(op, -ECANCELED);
        if (op->kind != operation_kind::timer) return;
        auto [timer, end] = timers_.equal_range(static_cast<timer_operation*>(op)->deadline);
        timer = std::find_if(timer, end, [op](const auto& each) { return each.second == op; });
        if (timer == end) return;
        timers_.erase(timer);
        complete(op, -ECANCELED);
    }
    void run() {
        while (!stopping_) {
            collect();
            run_some(due_);  // What is due goes before what was only posted.
            run_some(posted_);
        }
        stopping_ = false;
    }
    void stop() { stopping_ = true; }

private:
    void run_some(operation_queue& queue) {  // Others must not have to wait for all of it.
        const auto end = now() + std::chrono::microseconds(100);
        operation* op = nullptr;
        while (!stopping_ && now() < end && (op = queue.pop()) != nullptr) op->done(op);
    }
    void complete(operation* op, int result) {
        op->result = result;
        due_.push(op);
    }
    static long step(int fd, operation_kind kind, void* data, std::size_t size) {
        if (kind == operation_kind::accept)
            return ::accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (kind == operation_kind::read) return ::recv(fd, data, size, 0);
        if (kind == operation_kind::write) return ::send(fd, data, size, MSG_NOSIGNAL);
        if (kind == operation_kind::close) return ::close(fd);
        return ::connect(fd, static_cast<sockaddr*>(data), static_cast<socklen_t>(size));
    }
    bool attempt(io_operation* op) {  // False when it has to wait.
        const long result = step(op->descriptor, op->kind, op->data, op->size);
        if (result < 0 && (errno == EAGAIN || errno == EINPROGRESS)) return false;
        complete(op, result < 0 ? -errno : static_cast<int>(result));
        return true;
    }
    void collect() {  // Finds what can complete; waits for it when there is nothing to run.
        polled_.assign(1, {wake_.get(), POLLIN, 0});
        for (const io_operation* op : waiting_) {
            const bool in = op->kind == operation_kind::accept || op->kind == operation_kind::read;
            polled_.push_back({op->descriptor, static_cast<short>(in ? POLLIN : POLLOUT), 0});
        }
        auto left = nanoseconds(std::chrono::hours(due_.empty() && posted_.empty() ? 1 : 0));
        if (!timers_.empty()) left = std::clamp(timers_.begin()->first - now(), {}, left);
        const timespec limit{left.count() / 1'000'000'000, left.count() % 1'000'000'000};
        ::ppoll(polled_.data(), polled_.size(), &limit, nullptr);
        auto seen = polled_.begin();
        std::erase_if(waiting_, [&](auto* op) { return (++seen)->revents != 0 && attempt(op); });
        for (; !timers_.empty() && timers_.begin()->first <= now(); timers_.erase(timers_.begin()))
            complete(timers_.begin()->second, 0);
        eventfd_t count = 0;
        if (polled_.front().revents == 0 || ::eventfd_read(wake_.get(), &count) != 0) return;
        const std::lock_guard lock(mutex_);
        while (operation* op = remote_.pop()) posted_.push(op);
    }

    operation_queue due_, posted_;
    std::pmr::unsynchronized_pool_resource memory_;  // Once warm, timers allocate nothing.
    std::pmr::multimap<time_point, timer_operation*> timers_{&memory_};
    std::vector<io_operation*> waiting_;
    std::vector<pollfd> polled_;
    bool stopping_ = false;
    unique_descriptor wake_{check_errno(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")};
    std::mutex mutex_;
    operation_queue remote_;  // Guarded by mutex_.
};

static_assert(event_loop<loop>);

}  // namespace example
