// The stackless runtime: coroutines on any event loop.
#pragma once

#include <overlap/core/deadline_queue.hpp>
#include <overlap/core/event_loop.hpp>
#include <overlap/core/loop_reference.hpp>
#include <overlap/core/runtime.hpp>
#include <overlap/coroutine/channel.hpp>
#include <overlap/coroutine/future.hpp>
#include <overlap/coroutine/gather.hpp>
#include <overlap/coroutine/loop_awaiters.hpp>
#include <overlap/coroutine/spawn.hpp>
#include <overlap/coroutine/task.hpp>
#include <overlap/coroutine/with_deadline.hpp>

#include <concepts>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <memory>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace overlap {

/// Runs tasks (coroutines that return task<T>) on a loop that somebody else owns and that outlives
/// the runtime. Everything happens on the thread that calls run(), which is the loop's.
template <event_loop Loop>
class coroutine {
public:
    explicit coroutine(Loop& loop) : loop_(loop), reference_(loop) {
        background_.report = [](const std::string& line) {
            std::fprintf(stderr, "overlap: %s\n", line.c_str());
        };
    }
    coroutine(const coroutine&) = delete;
    coroutine& operator=(const coroutine&) = delete;

    /// Background tasks that have not ended are reported and freed. The loop still has their
    /// operations, so then it must not be run again, and be destroyed before what their reads and
    /// writes point to is used for something else.
    ~coroutine() {
        reference_.close();
        if (background_.size() != 0) {
            background_.report(background_.size() == 1
                                   ? "1 spawned task had not ended when its runtime did"
                                   : std::to_string(background_.size()) +
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
        return run(std::move(root), [] {});
    }
    /// The same; `check()` is called whenever the loop was stopped, and may throw to give the root
    /// task up.
    template <class T, std::invocable Check>
    T run(task<T> root, Check check) {
        if (running_) throw std::logic_error("coroutine::run() called from inside run()");
        const running_mark mark(running_);
        detail::task_awaiter<T> awaited(std::move(root));
        const stopper end = stop_when_resumed(loop_);
        detail::resume_operation<operation> start;
        start.set_waiter(awaited.await_suspend(end.frame));
        loop_.post(&start);
        do {  // Again if somebody else stopped the loop.
            loop_.run();
            check();
        } while (!end.frame.done());
        deadlines_.take_alarm_back();
        return awaited.await_resume();
    }

    /// See gather.hpp: body(0) .. body(count - 1), a range of tasks that is given away, or tasks of
    /// different types.
    template <class Body>
        requires std::invocable<std::decay_t<Body>&, std::size_t>
    auto gather(std::size_t count, Body&& body) {
        return overlap::gather(count, std::forward<Body>(body), &unfinished_);
    }
    template <std::ranges::input_range Range>
    auto gather(Range&& tasks) {
        return overlap::gather(std::forward<Range>(tasks), &unfinished_);
    }
    template <class... T>
    auto gather(task<T>... tasks) {
        return overlap::gather(std::move(tasks)...);
    }

    /// Starts `work` in the background when the caller next waits. See spawned.
    template <class T>
    spawned<T> spawn(task<T> work) {
        return spawn_on(background_, std::move(work));
    }
    /// How many background tasks have not ended.
    [[nodiscard]] std::size_t spawned_count() const noexcept { return background_.size(); }

    /// Runs `work` and returns its result or throws what it threw; when the deadline comes first, ends it
    /// as spawned::cancel() does, and then throws std::system_error with std::errc::timed_out. What
    /// need not wait is done although the deadline has passed.
    template <class T>
    auto with_deadline(time_point deadline, task<T> work) {
        return deadline_awaiter<Loop, T>(deadlines_, reference_, deadline, std::move(work));
    }

    /// A value that one task sets and another awaits.
    template <class T = void>
    promise_and_future<T> make_future() {
        auto state = std::make_shared<detail::future_state<T>>(reference_);
        return {promise<T>(state), future<T>(state)};
    }

    /// See channel. Throws std::invalid_argument for a capacity of 0.
    template <class T>
    channel<T> make_channel(std::size_t capacity) {
        return channel<T>(capacity, reference_);
    }

    [[nodiscard]] time_point now() { return loop_.now(); }
    /// By reference, since g++ 12 would keep a copy of an argument in the waiting frame.
    auto sleep_until(const time_point& deadline) {
        return detail::sleep_awaiter<Loop>(loop_, deadline);
    }
    auto sleep_for(nanoseconds duration) { return sleep_until(now() + duration); }
    auto yield() { return detail::yield_awaiter<Loop>(loop_); }

    /// With a deadline, accept, connect and read throw std::system_error with std::errc::timed_out when
    /// they still wait as it comes. They have done nothing then: a read has taken no byte, and the
    /// descriptor can be used on.
    auto accept(int listener) {
        return detail::io_awaiter<Loop, int>(loop_, operation_kind::accept, listener, {});
    }
    auto accept(int listener, time_point deadline) {
        return detail::io_awaiter<Loop, int, limit>(loop_, operation_kind::accept, listener, {},
                                                    loop_, deadlines_, deadline);
    }
    auto connect(const endpoint& peer) { return detail::connect_awaiter<Loop>(loop_, peer); }
    auto connect(const endpoint& peer, time_point deadline) {
        return detail::connect_awaiter<Loop, limit>(loop_, peer, loop_, deadlines_, deadline);
    }
    auto read(int connection, std::span<std::byte> buffer) {
        return detail::io_awaiter<Loop, std::size_t>(loop_, operation_kind::read, connection,
                                                     buffer);
    }
    auto read(int connection, std::span<std::byte> buffer, time_point deadline) {
        return detail::io_awaiter<Loop, std::size_t, limit>(loop_, operation_kind::read, connection,
                                                            buffer, loop_, deadlines_, deadline);
    }
    auto write(int connection, std::span<const std::byte> bytes) {
        return detail::write_awaiter<Loop>(loop_, connection, bytes);
    }
    auto close(int connection) { return detail::close_awaiter<Loop>(loop_, connection); }

    [[nodiscard]] Loop& loop() noexcept { return loop_; }

private:
    using limit = io_deadline<Loop>;

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

    /// Also when the loop throws, so that the error is not followed by a wrong one.
    struct running_mark {
        explicit running_mark(bool& running) noexcept : running_(running) { running_ = true; }
        running_mark(const running_mark&) = delete;
        running_mark& operator=(const running_mark&) = delete;
        ~running_mark() { running_ = false; }

        bool& running_;
    };

    static stopper stop_when_resumed(Loop& loop) {
        loop.stop();
        co_return;
    }

    Loop& loop_;
    loop_reference reference_;
    detail::unfinished_gathers unfinished_{reference_};
    detail::spawned_list background_{reference_};
    deadline_queue<Loop> deadlines_{loop_};
    bool running_ = false;
};

}  // namespace overlap
