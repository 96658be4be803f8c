// A value that one task sets and another awaits.
#pragma once

#include <overlap/coroutine/resume_operation.hpp>
#include <overlap/coroutine/task.hpp>

#include <exception>
#include <future>
#include <memory>
#include <utility>
#include <variant>

namespace overlap {

namespace detail {

template <class T>
class future_state {
public:
    using value = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

    explicit future_state(poster post) noexcept : post_(post) {}

    template <class Outcome>
    void settle(Outcome&& outcome) {
        if (is_settled()) throw std::future_error(std::future_errc::promise_already_satisfied);
        outcome_ = std::forward<Outcome>(outcome);
        if (resume_.waiter) post_(&resume_);
    }

    [[nodiscard]] bool is_settled() const noexcept { return outcome_.index() != 0; }

    void wait(std::coroutine_handle<> waiter) {
        if (resume_.waiter) throw std::future_error(std::future_errc::future_already_retrieved);
        resume_.waiter = waiter;
    }

    value take() {
        if (auto* thrown = std::get_if<std::exception_ptr>(&outcome_)) {
            std::rethrow_exception(*thrown);
        }
        return std::move(std::get<value>(outcome_));
    }

private:
    poster post_;
    std::variant<nothing, value, std::exception_ptr> outcome_;
    resume_operation<operation> resume_;
};

}  // namespace detail

/// The awaiting end. `co_await future` returns the value, once, or throws what the promise was
/// given; std::future_error(broken_promise) when the promise went away unset.
template <class T>
class [[nodiscard]] future {
public:
    explicit future(std::shared_ptr<detail::future_state<T>> state) noexcept
        : state_(std::move(state)) {}

    [[nodiscard]] bool await_ready() const noexcept { return state_->is_settled(); }
    void await_suspend(std::coroutine_handle<> waiter) { state_->wait(waiter); }
    T await_resume() {
        if constexpr (std::is_void_v<T>) {
            state_->take();
        } else {
            return state_->take();
        }
    }

private:
    std::shared_ptr<detail::future_state<T>> state_;
};

/// The setting end. Setting it a second time throws std::future_error(promise_already_satisfied).
/// The waiter resumes through the loop, not inside set_value. Both ends stay on the loop's thread.
template <class T>
class promise {
public:
    explicit promise(std::shared_ptr<detail::future_state<T>> state) noexcept
        : state_(std::move(state)) {}
    promise(promise&&) noexcept = default;
    promise& operator=(promise&& other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~promise() {
        if (state_ == nullptr || state_->is_settled()) return;
        state_->settle(
            std::make_exception_ptr(std::future_error(std::future_errc::broken_promise)));
    }

    void set_value(detail::future_state<T>::value value)
        requires(!std::is_void_v<T>)
    {
        state_->settle(std::move(value));
    }
    void set_value()
        requires std::is_void_v<T>
    {
        state_->settle(std::monostate{});
    }
    void set_exception(std::exception_ptr thrown) { state_->settle(std::move(thrown)); }

private:
    std::shared_ptr<detail::future_state<T>> state_;
};

/// Both ends of one future.
template <class T>
struct promise_and_future {
    overlap::promise<T> promise;
    overlap::future<T> future;
};

}  // namespace overlap
