// The stackless runtime: coroutines on any event loop.
#pragma once

#include <overlap/core/event_loop.hpp>
#include <overlap/core/runtime.hpp>
#include <overlap/coroutine/future.hpp>
#include <overlap/coroutine/gather.hpp>
#include <overlap/coroutine/loop_awaiters.hpp>
#include <overlap/coroutine/spawn.hpp>
#include <overlap/coroutine/task.hpp>

#include <cstddef>
#include <cstdio>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>

namespace overlap {

/// Runs tasks (coroutines that return task<T>) on a loop that somebody else owns and that outlives
/// the runtime. Everything happens on the thread that calls run(), which is the loop's.
template <event_loop Loop>
class coroutine {
public:
    explicit coroutine(Loop& loop) noexcept : loop_(loop) {
        background_.report = [](const std::string& line) {
            std::fprintf(stderr, "overlap: %s\n", line.c_str());
        };
    }
    coroutine(const coroutine&) = delete;
    coroutine& operator=(const coroutine&) = delete;

    /// Background tasks that have not ended are reported and freed. The loop still has their
    /// operations, so it must not be run again.
    ~coroutine() {
        if (background_.size() != 0) {
            background_.report(std::to_string(background_.size()) +
                               " spawned tasks had not ended when their runtime did");
        }
        background_.destroy_all();
    }

    static std::string name() { return "coroutine:" + std::string(Loop::name()); }
    [[nodiscard]] static std::size_t task_limit() noexcept { return unlimited; }

    /// Who is told, in a line of text, of background tasks that failed with nobody awaiting them
    /// or that never ended. By default they are written to standard error.
    void on_report(std::function<void(const std::string&)> report) {
        background_.report = std::move(report);
    }

    /// Runs the loop until `root` has ended, and returns its result or throws what it threw.
    /// Background tasks that have not ended go on in the next run().
    template <class T>
    T run(task<T> root) {
        if (running_) throw std::logic_error("coroutine::run() called from inside run()");
        running_ = true;
        detail::task_awaiter<T> awaited(std::move(root));
        const stopper end = stop_when_resumed(loop_);
        detail::resume_operation<operation> start;
        start.waiter = awaited.await_suspend(end.frame);
        loop_.post(&start);
        loop_.run();
        running_ = false;
        return awaited.await_resume();
    }

    /// See gather.hpp: a count and a body, a range of tasks, or tasks of different types.
    template <class... Arguments>
    auto gather(Arguments&&... arguments) {
        return overlap::gather(std::forward<Arguments>(arguments)...);
    }

    /// Starts `work` in the background when the caller next waits. See spawned.
    template <class T>
    spawned<T> spawn(task<T> work) {
        return spawn_on(background_, detail::poster(loop_), std::move(work));
    }
    /// How many background tasks have not ended.
    [[nodiscard]] std::size_t spawned_count() const noexcept { return background_.size(); }

    /// A value that one task sets and another awaits.
    template <class T = void>
    promise_and_future<T> make_future() {
        auto state = std::make_shared<detail::future_state<T>>(detail::poster(loop_));
        return {promise<T>(state), future<T>(state)};
    }

    [[nodiscard]] time_point now() { return loop_.now(); }
    /// By reference, since g++ 12 would keep a copy of an argument in the waiting frame.
    auto sleep_until(const time_point& deadline) { return detail::sleep_awaiter<Loop>(loop_, deadline); }
    auto sleep_for(nanoseconds duration) { return sleep_until(now() + duration); }
    auto yield() { return detail::yield_awaiter<Loop>(loop_); }

    auto accept(int listener) {
        return detail::io_awaiter<Loop, int>(loop_, operation_kind::accept, listener);
    }
    auto connect(const endpoint& peer) { return detail::connect_awaiter<Loop>(loop_, peer); }
    auto read(int connection, std::span<std::byte> buffer) {
        return detail::io_awaiter<Loop, std::size_t>(loop_, operation_kind::read, connection,
                                                     buffer);
    }
    auto write(int connection, std::span<const std::byte> bytes) {
        return detail::write_awaiter<Loop>(loop_, connection, bytes);
    }
    auto close(int connection) {
        return detail::io_awaiter<Loop, void>(loop_, operation_kind::close, connection);
    }

    [[nodiscard]] Loop& loop() noexcept { return loop_; }

private:
    /// A coroutine that waits to be resumed by the end of the root task, and stops the loop.
    struct stopper {
        struct promise_type {
            stopper get_return_object() noexcept {
                return {std::coroutine_handle<promise_type>::from_promise(*this)};
            }
            static std::suspend_always initial_suspend() noexcept { return {}; }
            static std::suspend_always final_suspend() noexcept { return {}; }
            static void return_void() noexcept {}
            static void unhandled_exception() noexcept { std::terminate(); }
        };

        explicit(false) stopper(std::coroutine_handle<promise_type> self) noexcept : frame(self) {}
        stopper(const stopper&) = delete;
        stopper& operator=(const stopper&) = delete;
        ~stopper() { frame.destroy(); }

        std::coroutine_handle<promise_type> frame;
    };

    static stopper stop_when_resumed(Loop& loop) {
        loop.stop();
        co_return;
    }

    Loop& loop_;
    detail::spawned_list background_;
    bool running_ = false;
};

}  // namespace overlap
