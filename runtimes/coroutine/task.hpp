// The coroutine that the stackless runtime runs: lazy, awaited once, with symmetric transfer.
#pragma once

#include <overlap/coroutine/awaitable.hpp>
#include <overlap/coroutine/cancellation.hpp>
#include <overlap/coroutine/frame_pool.hpp>

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace overlap {

template <class T>
class task;

namespace detail {

struct nothing {};

/// Whether a result can be kept as itself: made empty-handed, then assigned to. Not so bool, whose
/// vector packs its elements, so that they have no addresses to write to.
template <class T>
inline constexpr bool is_its_own_slot =
    std::is_default_constructible_v<T> && std::is_move_assignable_v<T> && !std::is_same_v<T, bool>;

/// How a result of type T is kept until it is taken.
template <class T>
using result_slot = std::conditional_t<std::is_void_v<T>, nothing,
                                       std::conditional_t<is_its_own_slot<T>, T, std::optional<T>>>;

template <class T, class Value>
void fill_slot(result_slot<T>& slot, Value&& value) {
    if constexpr (is_its_own_slot<T>) {
        slot = std::forward<Value>(value);
    } else {
        slot.emplace(std::forward<Value>(value));
    }
}

template <class T>
T take_from(result_slot<T>& slot) {
    if constexpr (std::is_void_v<T>) {
        return;
    } else if constexpr (is_its_own_slot<T>) {
        return std::move(slot);
    } else {
        return *std::move(slot);
    }
}

struct task_final_awaiter {
    static bool await_ready() noexcept { return false; }

    /// Returns whom to resume: symmetric transfer, so chains of any length use one stack frame
    /// (L. Baker, "C++ coroutines: understanding symmetric transfer", 2020; P0913).
    template <class Promise>
    static std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) noexcept {
        task_target& target = *ended.promise().target;
        if (target.children != nullptr) {
            target.children[ended.promise().index] = nullptr;
            ended.destroy();
            return --target.pending == 0 ? after_all(target) : std::noop_coroutine();
        }
        return target.waiter;
    }

    static void await_resume() noexcept {}
};

struct task_promise_base : cancellable_promise {
    static void* operator new(std::size_t size) { return frame_pool::allocate(size); }
    static void operator delete(void* frame, std::size_t size) noexcept {
        frame_pool::release(frame, size);
    }

    static std::suspend_always initial_suspend() noexcept { return {}; }
    static task_final_awaiter final_suspend() noexcept { return {}; }
    void unhandled_exception() noexcept { target->fail(index, std::current_exception()); }
};

template <class T>
struct task_promise : task_promise_base {
    task<T> get_return_object() noexcept;

    void return_value(T&& value) { fill_slot<T>(slot(), std::move(value)); }
    void return_value(const T& value)
        requires std::is_copy_constructible_v<T>
    {
        fill_slot<T>(slot(), value);
    }

private:
    result_slot<T>& slot() noexcept { return static_cast<result_slot<T>*>(target->results)[index]; }
};

template <>
struct task_promise<void> : task_promise_base {
    task<void> get_return_object() noexcept;
    void return_void() const noexcept {}
};

template <class T>
class task_awaiter;

}  // namespace detail

/// A coroutine that runs when it is awaited, spawned, gathered or given to run(), and not before;
/// then it runs once. Owns its frame: destroying a task that was never started frees its arguments
/// and runs nothing. T is void or a movable object type.
template <class T = void>
class [[nodiscard]] task {
    static_assert(!std::is_reference_v<T>, "task<T&>: return a pointer or std::reference_wrapper");

public:
    using promise_type = detail::task_promise<T>;
    using value_type = T;

    task(task&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
    task& operator=(task&& other) noexcept {
        std::swap(frame_, other.frame_);
        return *this;
    }
    ~task() {
        if (frame_) frame_.destroy();
    }

    /// Runs the task to its end and returns its result or throws what it threw. The frame is freed
    /// before the next statement. A task that was moved from, as by being awaited, is
    /// std::logic_error.
    detail::task_awaiter<T> operator co_await() && {
        return detail::task_awaiter<T>(std::move(*this));
    }

    /// Gives up the frame, which has not been started; the caller starts it and frees it. Throws
    /// std::logic_error when the task was moved from.
    [[nodiscard]] std::coroutine_handle<promise_type> release() {
        check_present();
        return std::exchange(frame_, nullptr);
    }

private:
    friend promise_type;

    explicit task(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}

    void check_present() const {
        if (!frame_) [[unlikely]]
            refuse();
    }
    [[noreturn, gnu::cold]] static void refuse() {
        throw std::logic_error("a task runs once, and this one was moved from");
    }

    std::coroutine_handle<promise_type> frame_;
};

namespace detail {

inline task<void> task_promise<void>::get_return_object() noexcept {
    return task<void>(std::coroutine_handle<task_promise>::from_promise(*this));
}

template <class T>
task<T> task_promise<T>::get_return_object() noexcept {
    return task<T>(std::coroutine_handle<task_promise>::from_promise(*this));
}

/// Owns the awaited task until its result is taken.
template <class T>
class task_awaiter {
public:
    explicit task_awaiter(task<T> awaited) : target_(awaited.release()) {}

    static bool await_ready() noexcept { return false; }

    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> waiter) noexcept {
        return target_.start(waiter, &result_);
    }

    T await_resume() {
        target_.note_end();
        if (target_.error) std::rethrow_exception(std::move(target_.error));
        return take_from<T>(result_);
    }

private:
    awaited_task target_;
    [[no_unique_address]] result_slot<T> result_{};
};

}  // namespace detail

}  // namespace overlap
