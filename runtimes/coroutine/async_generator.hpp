// A coroutine that yields values one at a time and may wait between them.
#pragma once

#include <overlap/coroutine/cancellation.hpp>
#include <overlap/coroutine/frame_pool.hpp>
#include <overlap/coroutine/resume_operation.hpp>

#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

namespace overlap {

/// Runs only while its consumer awaits next(). Dropping it half-way frees its frame and so runs
/// the destructors of whatever it held. One consumer, on one thread.
///
///     while (auto value = co_await numbers.next()) use(*value);
template <class T>
class [[nodiscard]] async_generator {
public:
    class promise_type;
    class next_awaiter;

    async_generator(async_generator&& other) noexcept
        : frame_(std::exchange(other.frame_, nullptr)) {}
    async_generator& operator=(async_generator&& other) noexcept {
        std::swap(frame_, other.frame_);
        return *this;
    }
    ~async_generator() {
        if (frame_) frame_.destroy();
    }

    /// Awaiting it returns the next value, or nothing when the generator has returned (then, and
    /// ever after). Throws what the generator threw, once.
    next_awaiter next() noexcept { return next_awaiter(frame_); }

private:
    explicit async_generator(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}

    std::coroutine_handle<promise_type> frame_;
};

template <class T>
class async_generator<T>::promise_type : public detail::cancellable_promise {
public:
    promise_type() noexcept {
        this->is_task = 0;
        this->end = &end_consumer;
    }

    static void* operator new(std::size_t size) { return frame_pool::allocate(size); }
    static void operator delete(void* frame, std::size_t size) noexcept {
        frame_pool::release(frame, size);
    }

    async_generator get_return_object() noexcept {
        return async_generator(std::coroutine_handle<promise_type>::from_promise(*this));
    }

    struct back_to_consumer {
        static bool await_ready() noexcept { return false; }
        static std::coroutine_handle<>
        await_suspend(std::coroutine_handle<promise_type> self) noexcept {
            return self.promise().consumer_;
        }
        static void await_resume() noexcept {}
    };

    static std::suspend_always initial_suspend() noexcept { return {}; }
    static back_to_consumer final_suspend() noexcept { return {}; }
    back_to_consumer yield_value(T value) {
        value_ = std::move(value);
        return {};
    }
    void return_void() const noexcept {}
    void unhandled_exception() noexcept { error_ = std::current_exception(); }

private:
    friend next_awaiter;

    /// Cancelled while the consumer waited: it ends, too, which commonly frees this frame.
    static std::coroutine_handle<> end_consumer(detail::cancellable_promise& self) noexcept {
        auto& generator = static_cast<promise_type&>(self);
        generator.was_cancelled_ = true;
        if (generator.has_our_consumer_) return detail::unwind(generator.consumer_);
        return generator.consumer_;
    }

    std::coroutine_handle<> consumer_;
    bool has_our_consumer_ = false;
    bool was_cancelled_ = false;
    std::optional<T> value_;
    std::exception_ptr error_;
};

template <class T>
class async_generator<T>::next_awaiter {
public:
    using gives_up = void;

    explicit next_awaiter(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}

    [[nodiscard]] bool await_ready() const noexcept {
        return frame_.done() || frame_.promise().was_cancelled_;
    }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> consumer) noexcept {
        frame_.promise().consumer_ = consumer;
        frame_.promise().has_our_consumer_ = detail::is_cancellable<Promise>;
        return frame_;
    }
    bool give_up(const loop_reference& loop) {
        detail::cancel_waits(frame_, loop);
        return false;
    }
    std::optional<T> await_resume() {
        promise_type& generator = frame_.promise();
        if (generator.was_cancelled_) throw detail::cancelled_error();
        if (generator.error_) std::rethrow_exception(std::exchange(generator.error_, nullptr));
        return std::exchange(generator.value_, std::nullopt);
    }

private:
    std::coroutine_handle<promise_type> frame_;
};

}  // namespace overlap
