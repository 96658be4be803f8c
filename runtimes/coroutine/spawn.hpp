// Tasks that run in the background and are joined later, or never.
#pragma once

#include <overlap/core/error.hpp>
#include <overlap/coroutine/resume_operation.hpp>
#include <overlap/coroutine/task.hpp>

#include <cstddef>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>

namespace overlap {

template <class T>
class spawned;

namespace detail {

class spawned_list;

/// The frame that holds a background task: kept by the runtime while the task runs, and by its
/// handle until it is joined or dropped; whoever lets go last frees it.
struct spawned_promise_base : cancellable_promise {
    resume_operation<operation> start;  ///< Posted; the task may be joined before it starts.
    std::coroutine_handle<> joiner;
    std::exception_ptr error;
    spawned_list* running = nullptr;  ///< The runtime's list, until the task has ended.
    spawned_promise_base* previous = nullptr;
    spawned_promise_base* next = nullptr;
    void (*destroy)(spawned_promise_base*) noexcept = nullptr;
    bool has_handle = true;
    bool was_joined = false;
    bool was_asked_to_end = false;
    bool has_no_result = false;  ///< It ended because it was cancelled.

    spawned_promise_base() noexcept {
        is_task = 0;
        end = &end_cancelled;
    }

    static inline std::coroutine_handle<> end_cancelled(cancellable_promise& self) noexcept;

    static void* operator new(std::size_t size) { return frame_pool::allocate(size); }
    static void operator delete(void* frame, std::size_t size) noexcept {
        frame_pool::release(frame, size);
    }

    static std::suspend_always initial_suspend() noexcept { return {}; }
    void unhandled_exception() noexcept { error = std::current_exception(); }
};

/// The background tasks of one runtime that have not ended, and where failures are reported.
class spawned_list {
public:
    explicit spawned_list(const loop_reference& its_loop) noexcept : loop(its_loop) {}

    const loop_reference& loop;
    std::function<void(const std::string&)> report;

    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    void add(spawned_promise_base& task) noexcept {
        task.running = this;
        task.next = first_;
        if (first_ != nullptr) first_->previous = &task;
        first_ = &task;
        ++size_;
    }

    void remove(spawned_promise_base& task) noexcept {
        (task.previous != nullptr ? task.previous->next : first_) = task.next;
        if (task.next != nullptr) task.next->previous = task.previous;
        --size_;
    }

    /// Frees tasks that have not ended. Their handles, if any are left, must not be joined.
    void destroy_all() noexcept {
        while (first_ != nullptr) {
            spawned_promise_base& task = *first_;
            remove(task);
            task.running = nullptr;
            if (!task.has_handle) task.destroy(&task);
        }
    }

private:
    spawned_promise_base* first_ = nullptr;
    std::size_t size_ = 0;
};

/// The end of a background task. Returns who joins it.
inline std::coroutine_handle<> end_background(spawned_promise_base& task) noexcept {
    spawned_list& list = *task.running;
    list.remove(task);
    task.running = nullptr;
    if (task.joiner) return task.joiner;
    if (!task.has_handle) {
        if (task.error) list.report("a spawned task failed: " + describe(task.error));
        task.destroy(&task);
    }
    return std::noop_coroutine();
}

inline std::coroutine_handle<>
spawned_promise_base::end_cancelled(cancellable_promise& self) noexcept {
    auto& task = static_cast<spawned_promise_base&>(self);
    task.has_no_result = true;
    return end_background(task);
}

template <class T>
struct spawned_promise;

struct spawned_final_awaiter {
    static bool await_ready() noexcept { return false; }

    template <class Promise>
    static std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) noexcept {
        return end_background(ended.promise());
    }

    static void await_resume() noexcept {}
};

template <class T>
struct spawned_result {
    result_slot<T> value{};
    void return_value(T&& result) { fill_slot<T>(value, std::move(result)); }
    T take() { return take_from<T>(value); }
};
template <>
struct spawned_result<void> {
    void return_void() const noexcept {}
    void take() const noexcept {}
};

template <class T>
struct spawned_promise : spawned_promise_base, spawned_result<T> {
    spawned<T> get_return_object() noexcept;
    static spawned_final_awaiter final_suspend() noexcept { return {}; }
};

}  // namespace detail

/// The handle of a background task. Awaiting it (once) waits for the task and returns its result
/// or throws what it threw. Dropping it lets the task go on alone; then a failure is reported.
/// Stays on the loop's thread, and must not outlive the runtime.
template <class T = void>
class spawned {
public:
    using promise_type = detail::spawned_promise<T>;
    using gives_up = void;

    spawned(spawned&& other) noexcept
        : frame_(std::exchange(other.frame_, nullptr)), list_(other.list_) {}
    spawned& operator=(spawned&& other) noexcept {
        std::swap(frame_, other.frame_);
        std::swap(list_, other.list_);
        return *this;
    }
    ~spawned() {
        if (!frame_) return;
        promise_type& task = frame_.promise();
        task.has_handle = false;
        if (task.running != nullptr) return;
        if (task.error && !task.was_joined) {
            list_->report("a spawned task failed, and nobody awaited it: " + describe(task.error));
        }
        frame_.destroy();
    }

    /// Whether the task has ended, by return or by exception.
    [[nodiscard]] bool is_done() const noexcept { return frame_.promise().running == nullptr; }

    /// Asks the task to end where it waits, or where it next waits; one that has not begun never does.
    /// Ending destroys what it has, inside out, from inside the loop's run(); nothing else of it runs, and
    /// it cannot refuse. Whoever joins it is thrown std::system_error with
    /// std::errc::operation_canceled. A step of I/O that completed first goes to the task, which then
    /// ends at its next wait, or by itself. Does nothing when called again or when the task has
    /// ended. Throws std::bad_alloc when the loop needs memory that is not there; then it may be
    /// called again.
    void cancel() {
        promise_type& task = frame_.promise();
        if (task.running == nullptr || task.was_asked_to_end) return;
        detail::cancel_waits(frame_, list_->loop);
        task.was_asked_to_end = true;
    }

    [[nodiscard]] bool await_ready() const {
        if (frame_.promise().was_joined) {
            throw std::logic_error("a spawned task can be awaited once, and this one has been");
        }
        return is_done();
    }
    void await_suspend(std::coroutine_handle<> waiter) noexcept {
        frame_.promise().was_joined = true;
        frame_.promise().joiner = waiter;
    }
    /// When the joining task is cancelled, the joined one goes on.
    bool give_up(const loop_reference&) noexcept {
        frame_.promise().was_joined = false;
        frame_.promise().joiner = nullptr;
        return true;
    }
    T await_resume() {
        promise_type& task = frame_.promise();
        task.was_joined = true;
        if (task.has_no_result) throw detail::cancelled_error();
        if (task.error) std::rethrow_exception(task.error);
        return task.take();
    }

private:
    friend promise_type;
    template <class U>
    friend spawned<U> spawn_on(detail::spawned_list&, task<U>);

    explicit spawned(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}

    std::coroutine_handle<promise_type> frame_;
    const detail::spawned_list* list_ = nullptr;
};

namespace detail {

template <class T>
spawned<T> spawned_promise<T>::get_return_object() noexcept {
    return spawned<T>(std::coroutine_handle<spawned_promise>::from_promise(*this));
}

template <class T>
spawned<T> run_in_background(task<T> work) {
    co_return co_await std::move(work);
}

}  // namespace detail

/// Posts the start of `work`, which `list` then keeps. Runtimes offer this as spawn().
template <class T>
spawned<T> spawn_on(detail::spawned_list& list, task<T> work) {
    spawned<T> handle = detail::run_in_background(std::move(work));
    auto& promise = handle.frame_.promise();
    handle.list_ = &list;
    promise.start.set_waiter(handle.frame_);
    promise.destroy = [](detail::spawned_promise_base* self) noexcept {
        auto& whole = static_cast<detail::spawned_promise<T>&>(*self);
        std::coroutine_handle<detail::spawned_promise<T>>::from_promise(whole).destroy();
    };
    list.add(promise);
    list.loop.post(&promise.start);
    return handle;
}

}  // namespace overlap
