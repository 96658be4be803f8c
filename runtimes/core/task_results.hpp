// Where the tasks of one gather leave what they return or throw, when they share its memory.
#pragma once

#include <concepts>
#include <cstddef>
#include <exception>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace overlap {

/// What a task of `Body` returns.
template <class Body>
using task_result_t = std::remove_cvref_t<std::invoke_result_t<const Body&, std::size_t>>;

/// Keeps the exception of the lowest index. Any thread may record.
class lowest_failure {
public:
    /// Takes the exception that is being handled as the one of task `index`.
    void record(std::size_t index) noexcept {
        const std::lock_guard lock(mutex_);
        if (failure_ && index_ < index) return;
        index_ = index;
        failure_ = std::current_exception();
    }

    /// Throws what was recorded, if anything was; all tasks must have ended.
    void rethrow() const {
        if (failure_) std::rethrow_exception(failure_);
    }

private:
    std::mutex mutex_;
    std::size_t index_ = 0;
    std::exception_ptr failure_;
};

/// The results of n tasks, each written by its own task: any thread may run a task, each index
/// once, and different indices at the same time.
template <class Result>
class task_results {
public:
    explicit task_results(std::size_t n) : slots_(n) {}

    /// Runs body(index) and keeps what comes of it.
    template <class Body>
    void run(const Body& body, std::size_t index) noexcept {
        try {
            slots_[index] = body(index);
        } catch (...) {
            failure_.record(index);
        }
    }

    /// Call once, after all tasks have ended, and in a way that makes their writes visible here.
    /// Throws the exception of the lowest index if any task threw.
    [[nodiscard]] std::vector<Result> take() {
        failure_.rethrow();
        if constexpr (plain) {
            return std::move(slots_);
        } else {
            std::vector<Result> results;
            results.reserve(slots_.size());
            for (auto& slot : slots_) results.push_back(std::move(*slot));
            return results;
        }
    }

private:
    // The vector of the answer serves as the slots where it can. That of bool cannot: it packs
    // neighbours into one word, which two threads must not write at once.
    static constexpr bool plain = std::default_initializable<Result> &&
                                  std::is_move_assignable_v<Result> && !std::same_as<Result, bool>;

    std::vector<std::conditional_t<plain, Result, std::optional<Result>>> slots_;
    lowest_failure failure_;
};

/// The same for tasks that return nothing.
template <>
class task_results<void> {
public:
    explicit task_results(std::size_t) noexcept {}

    template <class Body>
    void run(const Body& body, std::size_t index) noexcept {
        try {
            body(index);
        } catch (...) {
            failure_.record(index);
        }
    }

    void take() const { failure_.rethrow(); }

private:
    lowest_failure failure_;
};

}  // namespace overlap
