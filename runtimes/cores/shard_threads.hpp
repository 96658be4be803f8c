// Threads with a loop each, as runtimes on several cores have them.
#pragma once

#include <overlap/core/cores.hpp>
#include <overlap/core/event_loop.hpp>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace overlap::detail {

/// More shards are no more use.
inline constexpr std::size_t most_shards = 64;

/// Runs as many loops of type `Loop` as it is given cores, each on a thread of its own; that of the
/// first is the thread that makes the runtime and calls run(). As long as it exists, each of the threads
/// is held to a core of its own, if there are as many: the scheduler would put a thread that is woken
/// beside the one that woke it, and take milliseconds to part them.
///
/// A `Shard` is what a runtime keeps for each thread. It is made on that thread from a
/// `Shard::group_type&`, the loop and an index, and destroyed there when no loop runs any more. It is told
/// joined() when others can find it, and left() before it is destroyed.
template <event_loop Loop, class Shard>
class shard_threads {
public:
    shard_threads(const shard_threads&) = delete;
    shard_threads& operator=(const shard_threads&) = delete;

    [[nodiscard]] std::size_t shard_count() const noexcept { return group_.shards.size(); }

    /// The loop of the calling task's thread.
    [[nodiscard]] Loop& loop_here() noexcept { return group::here->loop; }

protected:
    using group = typename Shard::group_type;

    /// The group is made from `options`. Throws what a loop's constructor throws, and
    /// std::system_error when a thread cannot be started.
    template <class... Options>
    explicit shard_threads(std::size_t cores, Options&&... options)
        : group_{std::forward<Options>(options)...}, first_(group_, loop_, 0),
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
    ~shard_threads() {
        end_workers();
        first_.left();
        group::here = before_;
    }

    [[nodiscard]] group& shards() noexcept { return group_; }
    [[nodiscard]] Shard& first() noexcept { return first_; }

    /// Throws std::runtime_error, which says whose, when the loop of a worker has thrown. Its tasks will not
    /// end, so all others are ended first, and the runtime is good for being destroyed.
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

private:
    struct end_operation : operation {
        explicit end_operation(Loop& its_loop) noexcept : operation(&stop), loop(its_loop) {}
        static void stop(operation* self) noexcept {
            static_cast<end_operation*>(self)->loop.stop();
        }
        Loop& loop;
    };

    /// A worker's thread.
    void work(std::size_t index, bool has_a_core) {
        try {
            std::optional<thread_on_core> on_core;
            if (has_a_core) on_core.emplace(index);
            Loop loop;
            end_operation end(loop);
            Shard mine(group_, loop, index);  // Destroyed first: it may run the loop once more.
            group::here = &mine;
            {
                const std::lock_guard lock(mutex_);
                group_.shards[index] = &mine;
                ends_.push_back(&end);
                ++arrived_;
            }
            mine.joined();
            changed_.notify_all();
            run_loop(loop, index);
            // Whoever still hands something over must find the loop.
            std::unique_lock lock(mutex_);
            ++left_;
            changed_.notify_all();
            changed_.wait(lock, [this] { return ending_ && left_ == ends_.size(); });
            lock.unlock();
            mine.left();
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
    end_operation stop_first_{loop_};
    Shard first_;
    decltype(group::here) before_;  // Of a runtime around this one.
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
};

}  // namespace overlap::detail
