// libuv's uv_loop_t as an event loop of ours. It runs in uv_run() and nowhere else: a posted
// operation is an idle handle's business, a deadline a uv_timer_t's, a descriptor's readiness a
// uv_poll_t's, another thread's post a uv_async_t's. ../README.md says where that did not suffice.
#pragma once

#include <overlap/core/error.hpp>
#include <overlap/core/event_loop.hpp>
#include <overlap/core/operation_queue.hpp>
#include <overlap/foreign_loops/recycled.hpp>
#include <overlap/loops/descriptor_table.hpp>
#include <overlap/loops/run_some.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <new>
#include <string_view>
#include <tuple>
#include <uv.h>
#include <vector>

namespace overlap {

/// Keeps the contract in core/event_loop.hpp. Needs libuv 1.44 or later. Timers complete up to two
/// milliseconds late, since libuv counts in whole ones. The constructor throws std::system_error
/// when there is no descriptor left.
class libuv_loop {
public:
    static constexpr std::string_view name() { return "libuv"; }

    static availability available() noexcept {
        try {
            const libuv_loop probe;
            return {};
        } catch (...) {
            return {describe(std::current_exception())};
        }
    }

    libuv_loop() {
        check_uv(uv_loop_init(&loop_), "uv_loop_init");
        loop_.data = this;
        uv_idle_init(&loop_, &iteration_);
        // Also what keeps uv_run() from returning for want of work.
        if (const int error = uv_async_init(&loop_, &wake_, &take_remote); error != 0) {
            close();
            check_uv(error, "uv_async_init");
        }
    }
    libuv_loop(const libuv_loop&) = delete;
    libuv_loop& operator=(const libuv_loop&) = delete;
    ~libuv_loop() { close(); }

    [[nodiscard]] time_point now() const noexcept {
        return time_point(nanoseconds(static_cast<std::int64_t>(uv_hrtime())));
    }

    void post(operation* op) noexcept {
        posted_.push(op);
        expect_iteration();
    }

    void post_remote(operation* op) noexcept {
        // With the lock, without which the loop cannot take `op`, run it and be gone.
        const std::lock_guard lock(remote_lock_);
        remote_.push(op);
        uv_async_send(&wake_);
    }

    void call_at(timer_operation* op, time_point deadline) {
        uv_timer_t* timer = timers_.take();
        if (timer->loop == nullptr) uv_timer_init(&loop_, timer);
        // Room for all of them, as expire() is called from C and must not throw.
        if (expired_.capacity() < timers_.size()) expired_.reserve(2 * timers_.size());
        op->deadline = std::max(deadline, now());
        op->scratch = timer;
        op->state = armed;
        timer->data = op;
        // libuv counts from its own, older idea of now, in milliseconds since the clock began.
        const auto due =
            std::chrono::ceil<std::chrono::milliseconds>(op->deadline.time_since_epoch());
        uv_timer_start(timer, &expire, static_cast<std::uint64_t>(due.count()) - uv_now(&loop_), 0);
    }

    void submit(io_operation* op) {
        if (op->descriptor >= 0) {
            const auto index = static_cast<std::size_t>(op->descriptor);
            if (index >= watches_.size()) watches_.resize(2 * index + 1);
            if (op->kind == operation_kind::close) unwatch(watches_[index]);
        }
        descriptors_.submit(op, due_);
        if (descriptors_.is_waiting(op)) watch(op);
        if (!due_.empty()) expect_iteration();
    }

    void cancel(operation* op) noexcept {
        if (op->kind == operation_kind::timer) {
            if (op->state == armed)
                complete(release(static_cast<timer_operation*>(op)), -ECANCELED);
        } else if (op->kind != operation_kind::post) {
            descriptors_.cancel(static_cast<io_operation*>(op), due_);
        }
        if (!due_.empty()) expect_iteration();
    }

    void run() noexcept {
        uv_run(&loop_, UV_RUN_DEFAULT);
        stopping_ = false;
    }

    void stop() noexcept {
        stopping_ = true;
        uv_stop(&loop_);
    }

private:
    enum : std::uint8_t { idle, armed };

    /// libuv's watch on one descriptor.
    struct watched {
        uv_poll_t* handle = nullptr;
        int events = 0;  // What it watches for at present.
    };

    static libuv_loop& of(const uv_loop_t* loop) noexcept {
        return *static_cast<libuv_loop*>(loop->data);
    }

    static void check_uv(int error, const char* what) {
        if (error != 0) throw_errno(-error, what);
    }

    // Posted and completed operations run in an idle handle's callback, once in each iteration of
    // uv_run(), which does not wait while that handle is active.

    void expect_iteration() noexcept { uv_idle_start(&iteration_, &iterate); }

    void complete(operation* op, int result) noexcept {
        op->result = result;
        due_.push(op);
    }

    static void iterate(uv_idle_t* iteration) {
        libuv_loop& self = of(iteration->loop);
        self.take_expired();
        run_some(self.due_, self.stopping_);
        run_some(self.posted_, self.stopping_);
        if (self.due_.empty() && self.posted_.empty()) uv_idle_stop(iteration);
    }

    static void take_remote(uv_async_t* wake) {
        libuv_loop& self = of(wake->loop);
        {
            const std::lock_guard lock(self.remote_lock_);
            while (operation* op = self.remote_.pop()) self.posted_.push(op);
        }
        self.expect_iteration();
    }

    // Timers that libuv takes for equal, because they expire in the same millisecond, it calls in
    // the order in which they were started. So what it calls in one go is put in order once more.

    struct expired {
        timer_operation* op;
        std::size_t order;  // Of the calls: libuv keeps it among equal deadlines.
    };

    static void expire(uv_timer_t* timer) {
        libuv_loop& self = of(timer->loop);
        timer_operation* op = self.release(static_cast<timer_operation*>(timer->data));
        self.expired_.push_back({op, self.expired_.size()});
        self.expect_iteration();
    }

    void take_expired() noexcept {
        std::ranges::sort(expired_, {}, [](const expired& each) {
            return std::tuple(each.op->deadline, each.order);
        });
        for (const expired& each : expired_) complete(each.op, 0);
        expired_.clear();
    }

    timer_operation* release(timer_operation* op) noexcept {
        auto* timer = static_cast<uv_timer_t*>(op->scratch);
        uv_timer_stop(timer);
        timers_.give_back(timer);
        op->state = idle;
        return op;
    }

    // A watch stays as it is when nobody waits any more, since most often somebody soon will again:
    // to change one takes two system calls. It ends when it has reported in vain.

    void watch(io_operation* op) noexcept {
        watched& at = watches_[static_cast<std::size_t>(op->descriptor)];
        const int error = at.handle == nullptr ? begin_watch(at, op->descriptor) : 0;
        if (error != 0) return descriptors_.fail(op, -error, due_);
        const int wanted = at.events | waited_for(op->descriptor);
        if (wanted != at.events) set_events(at, wanted);
    }

    int begin_watch(watched& at, int descriptor) noexcept {
        uv_poll_t* handle = nullptr;
        try {
            handle = polls_.take();
        } catch (const std::bad_alloc&) {
            return UV_ENOMEM;
        }
        if (const int error = uv_poll_init(&loop_, handle, descriptor); error != 0) {
            polls_.give_back(handle);
            return error;
        }
        at.handle = handle;
        return 0;
    }

    void unwatch(watched& at) noexcept {
        if (at.handle == nullptr) return;
        uv_close(reinterpret_cast<uv_handle_t*>(at.handle), [](uv_handle_t* handle) {
            of(handle->loop).polls_.give_back(reinterpret_cast<uv_poll_t*>(handle));
        });
        at = watched{};
    }

    void set_events(watched& at, int events) noexcept {
        at.events = events;
        if (events != 0) {
            uv_poll_start(at.handle, events, &report);
        } else {
            uv_poll_stop(at.handle);
        }
    }

    [[nodiscard]] int waited_for(int descriptor) noexcept {
        const auto& entry = descriptors_.of(descriptor);
        return (entry.readers.empty() ? 0 : UV_READABLE) |
               (entry.writers.empty() ? 0 : UV_WRITABLE);
    }

    static void report(uv_poll_t* handle, int status, int events) {
        libuv_loop& self = of(handle->loop);
        int descriptor = -1;
        uv_fileno(reinterpret_cast<uv_handle_t*>(handle), &descriptor);
        watched& at = self.watches_[static_cast<std::size_t>(descriptor)];
        auto& entry = self.descriptors_.of(descriptor);
        // libuv has stopped a watch whose status is an error. Which error, one learns by trying.
        if (status != 0) at.events = 0;
        const bool in_vain = (events & ~self.waited_for(descriptor)) != 0;
        if (status != 0 || (events & UV_READABLE) != 0) entry.readable = true;
        if (status != 0 || (events & UV_WRITABLE) != 0) entry.writable = true;
        self.descriptors_.drain(entry, self.due_);
        if (status != 0 || in_vain) self.set_events(at, self.waited_for(descriptor));
        self.expect_iteration();
    }

    /// libuv wants every handle closed, and then an iteration of its loop, before it lets go.
    void close() noexcept {
        const auto close_handle = [](uv_handle_t* handle, void*) {
            if (uv_is_closing(handle) == 0) uv_close(handle, nullptr);
        };
        uv_walk(&loop_, close_handle, nullptr);
        while (uv_loop_close(&loop_) == UV_EBUSY) uv_run(&loop_, UV_RUN_DEFAULT);
    }

    recycled<uv_timer_t> timers_;
    recycled<uv_poll_t> polls_;
    operation_queue due_;  // Timers and I/O that have completed.
    operation_queue posted_;
    std::vector<expired> expired_;
    descriptor_table descriptors_;
    std::vector<watched> watches_;  // By descriptor.
    bool stopping_ = false;
    std::mutex remote_lock_;
    operation_queue remote_;  // Guarded by remote_lock_.
    uv_loop_t loop_{};
    uv_idle_t iteration_{};
    uv_async_t wake_{};
};

static_assert(event_loop<libuv_loop>);

}  // namespace overlap
