// The stackless runtime on several cores: a loop on each, and gathers whose children are dealt out.
#pragma once

#include <overlap/core/cores.hpp>
#include <overlap/core/event_loop.hpp>
#include <overlap/core/runtime.hpp>
#include <overlap/cores/dealt_gather.hpp>
#include <overlap/cores/shard.hpp>
#include <overlap/coroutine/coroutine.hpp>

#include <algorithm>
#include <atomic>
#include <concepts>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace overlap {

/// Runs tasks on as many loops of type `Loop` as it is given cores, each on a thread of its own; that of
/// the first is the thread that makes the runtime and calls run(). As long as the runtime exists, each
/// of the threads is held to a core of its own, if there are as many: the scheduler would put a thread
/// that is woken beside the one that woke it, and take milliseconds to part them. Every call goes to the loop of the
/// calling thread, and a task runs on one thread from its start to its end.
///
/// gather(count, body) deals its children out (see dealt_gather.hpp), so they must not share what they
/// do not guard, nor may a future that one of them awaits be set by another. Gathers inside a child stay
/// with it when they are sharded. Tasks of a range, of different types and spawned ones stay where they
/// are made. With one core all of this is coroutine<Loop>.
template <event_loop Loop, dealing How>
class cores_coroutine {
    using group = detail::shard_group<Loop>;
    using gather_base = detail::dealt_gather_base<Loop, How>;

public:
    /// Throws what a loop's constructor throws, and std::system_error when a thread cannot be started.
    /// More than 64 loops are no more use than 64.
    explicit cores_coroutine(std::size_t cores = available_cores())
        : first_(group_, loop_, 0, &gather_base::start_more, &gather_base::search,
                 &gather_base::wake),
          before_(std::exchange(group::here, &first_)) {
        const std::size_t count =
            std::min(at_least_one_worker(cores, "a runtime on several cores"), most_shards);
        group_.shards.assign(count, nullptr);
        group_.shards.front() = &first_;
        workers_.reserve(count - 1);
        // A thread inherits the mask of the one that starts it: the first is held to its core last.
        const bool each_has_a_core = count > 1 && count <= available_cores();
        try {
            for (std::size_t i = 1; i < count; ++i) {
                workers_.emplace_back([this, i, each_has_a_core] { work(i, each_has_a_core); });
            }
            wait_until_all_are_there();
            check();
            if (each_has_a_core) on_core_.emplace(0);
        } catch (...) {
            end_workers();
            group::here = before_;
            throw;
        }
    }
    cores_coroutine(const cores_coroutine&) = delete;
    cores_coroutine& operator=(const cores_coroutine&) = delete;
    ~cores_coroutine() {
        end_workers();
        group::here = before_;
    }

    static std::string name() {
        const std::string how =
            How == dealing::sharded ? "sharded_coroutine:" : "stealing_coroutine:";
        return how + std::string(Loop::name());
    }
    [[nodiscard]] static std::size_t task_limit() noexcept { return unlimited; }
    [[nodiscard]] std::size_t shard_count() const noexcept { return group_.shards.size(); }

    /// Runs all loops until `root`, which runs on the calling thread, has ended. When a loop throws, all
    /// of them end, and std::runtime_error says which it was; the runtime is then good for being
    /// destroyed.
    template <class T>
    T run(task<T> root) {
        return first_.runtime.run(std::move(root), [this] { check(); });
    }

    template <class Body>
        requires std::invocable<std::decay_t<Body>&, std::size_t>
    auto gather(std::size_t count, Body&& body) {
        static_assert(detail::outlives_its_expression<Body>,
                      "gather(count, body): this compiler would destroy the captures of a lambda "
                      "written here twice; name it first, then give std::ref(name)");
        return dealt_gather<Loop, How, std::decay_t<Body>>(group_, count, std::forward<Body>(body));
    }
    template <std::ranges::input_range Range>
    auto gather(Range&& tasks) {
        return overlap::gather(std::forward<Range>(tasks));
    }
    template <class... T>
    auto gather(task<T>... tasks) {
        return overlap::gather(std::move(tasks)...);
    }

    template <class T>
    spawned<T> spawn(task<T> work) {
        return here().spawn(std::move(work));
    }
    template <class T = void>
    promise_and_future<T> make_future() {
        return here().template make_future<T>();
    }

    /// The loop of the calling task's thread.
    [[nodiscard]] Loop& loop_here() noexcept { return group::here->loop; }

    [[nodiscard]] time_point now() { return here().now(); }
    auto sleep_until(const time_point& deadline) { return here().sleep_until(deadline); }
    auto sleep_for(nanoseconds duration) { return here().sleep_for(duration); }
    auto yield() { return here().yield(); }
    auto accept(int listener) { return here().accept(listener); }
    auto accept(int listener, time_point deadline) { return here().accept(listener, deadline); }
    auto connect(const endpoint& peer) { return here().connect(peer); }
    auto connect(const endpoint& peer, time_point deadline) {
        return here().connect(peer, deadline);
    }
    auto read(int connection, std::span<std::byte> buffer) {
        return here().read(connection, buffer);
    }
    auto read(int connection, std::span<std::byte> buffer, time_point deadline) {
        return here().read(connection, buffer, deadline);
    }
    auto write(int connection, std::span<const std::byte> bytes) {
        return here().write(connection, bytes);
    }
    auto close(int connection) { return here().close(connection); }

private:
    static constexpr std::size_t most_shards = detail::idle_shards::most;

    struct end_operation : operation {
        explicit end_operation(Loop& its_loop) noexcept : operation(&stop), loop(its_loop) {}
        static void stop(operation* self) noexcept {
            static_cast<end_operation*>(self)->loop.stop();
        }
        Loop& loop;
    };

    static coroutine<Loop>& here() noexcept { return group::here->runtime; }

    /// A worker's thread.
    void work(std::size_t index, bool has_a_core) {
        try {
            std::optional<thread_on_core> on_core;
            if (has_a_core) on_core.emplace(index);
            Loop loop;
            detail::shard<Loop> mine(group_, loop, index, &gather_base::start_more,
                                     &gather_base::search, &gather_base::wake);
            end_operation end(loop);
            group::here = &mine;
            {
                const std::lock_guard lock(mutex_);
                group_.shards[index] = &mine;
                ends_.push_back(&end);
                ++arrived_;
            }
            if constexpr (How == dealing::stealing) group_.idle.add(index);
            changed_.notify_all();
            run_loop(loop, index);
            // Whoever still hands something over must find the loop.
            std::unique_lock lock(mutex_);
            ++left_;
            changed_.notify_all();
            changed_.wait(lock, [this] { return ending_ && left_ == ends_.size(); });
        } catch (const std::exception& error) {  // There never was a loop.
            const std::lock_guard lock(mutex_);
            ++arrived_;
            note_failure(index, error.what());
            changed_.notify_all();
        }
    }

    void run_loop(Loop& loop, std::size_t index) {
        try {
            while (!is_ending()) loop.run();
            return;
        } catch (const std::exception& error) {
            const std::lock_guard lock(mutex_);
            note_failure(index, error.what());
        } catch (...) {
            const std::lock_guard lock(mutex_);
            note_failure(index, "it threw what is no std::exception");
        }
        if (!failure_told_.exchange(true)) loop_.post_remote(&stop_first_);
    }

    bool is_ending() {
        const std::lock_guard lock(mutex_);
        return ending_;
    }

    /// Call it with the mutex.
    void note_failure(std::size_t index, const std::string& words) {
        if (!failure_.empty()) return;
        failure_ = "the loop of shard " + std::to_string(index + 1) + " of " +
                   std::to_string(group_.shards.size()) + " failed: " + words;
    }

    void wait_until_all_are_there() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return arrived_ >= workers_.size(); });
    }

    /// Throws when the loop of a worker has. Its tasks will not end, so all others are ended first.
    void check() {
        std::string words;
        {
            const std::lock_guard lock(mutex_);
            words = failure_;
        }
        if (words.empty()) return;
        end_workers();
        throw std::runtime_error(words);
    }

    void end_workers() noexcept {
        {
            const std::lock_guard lock(mutex_);
            if (!ending_) {
                for (end_operation* end : ends_) end->loop.post_remote(end);
            }
            ending_ = true;
        }
        changed_.notify_all();
        for (std::thread& worker : workers_) worker.join();
        workers_.clear();
    }

    group group_;
    Loop loop_;
    detail::shard<Loop> first_;
    detail::shard<Loop>* before_;  // Of a runtime around this one.
    std::vector<std::thread> workers_;
    std::optional<thread_on_core> on_core_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t arrived_ = 0;  // Workers whose loop is there, or cannot be made.
    std::size_t left_ = 0;     // Workers that run their loop no more.
    bool ending_ = false;
    std::vector<end_operation*> ends_;
    std::string failure_;
    std::atomic<bool> failure_told_ = false;
    end_operation stop_first_{loop_};
};

template <event_loop Loop>
using sharded_coroutine = cores_coroutine<Loop, dealing::sharded>;
template <event_loop Loop>
using stealing_coroutine = cores_coroutine<Loop, dealing::stealing>;

}  // namespace overlap
