// A value that one task sets and another awaits.
#pragma once

#include <overlap/coroutine/resume_operation.hpp>
#include <overlap/coroutine/task.hpp>

#include <cstddef>
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

    explicit future_state(const loop_reference& loop) noexcept : loop_(loop) {}

    void set_value(value result) { settle<value_index>(std::move(result)); }
    void set_exception(std::exception_ptr thrown) { settle<error_index>(std::move(thrown)); }

    [[nodiscard]] bool is_settled() const noexcept { return outcome_.index() != 0; }

    template <class Promise>
    void wait(std::coroutine_handle<Promise> waiter) {
        if (resume_.waiter) throw std::future_error(std::future_errc::future_already_retrieved);
        resume_.set_waiter(waiter);
    }
    void forget_waiter() noexcept { resume_.waiter = nullptr; }

    value take() {
        if (auto* thrown = std::get_if<error_index>(&outcome_)) std::rethrow_exception(*thrown);
        return std::get<value_index>(std::move(outcome_));
    }

private:
    // By number, since a value may be an exception_ptr, too.
    static constexpr std::size_t value_index = 1;
    static constexpr std::size_t error_index = 2;

    template <std::size_t Index, class Outcome>
    void settle(Outcome outcome) {
        if (is_settled()) throw std::future_error(std::future_errc::promise_already_satisfied);
        outcome_.template emplace<Index>(std::move(outcome));
        if (resume_.waiter) loop_.post(&resume_);
    }

    const loop_reference& loop_;  // The runtime's; not used once nobody waits.
    std::variant<nothing, value, std::exception_ptr> outcome_;
    resume_operation<operation> resume_;
};

}  // namespace detail

/// The awaiting end. `co_await future` returns the value, once, or throws what the promise was
/// given; std::future_error(broken_promise) when the promise went away unset. Awaiting it again is
/// std::future_error: no_state once the value was taken, future_already_retrieved before.
template <class T>
class [[nodiscard]] future {
public:
    using gives_up = void;

    explicit future(std::shared_ptr<detail::future_state<T>> state) noexcept
        : state_(std::move(state)) {}
    future(future&&) noexcept = default;
    future& operator=(future&& other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    /// Whoever waits has been destroyed as well, with the runtime.
    ~future() {
        if (state_ != nullptr) state_->forget_waiter();
    }

    [[nodiscard]] bool await_ready() const {
        if (state_ == nullptr) throw std::future_error(std::future_errc::no_state);
        return state_->is_settled();
    }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> waiter) {
        state_->wait(waiter);
    }
    /// A value that has been set, with a waiter that will be resumed, is too late to be given up.
    bool give_up(const loop_reference&) noexcept {
        if (state_->is_settled()) return false;
        state_->forget_waiter();
        return true;
    }
    T await_resume() {
        const auto state = std::move(state_);
        if constexpr (std::is_void_v<T>) {
            state->take();
        } else {
            return state->take();
        }
    }

private:
    std::shared_ptr<detail::future_state<T>> state_;
};

/// The setting end. Setting it a second time throws std::future_error(promise_already_satisfied),
/// setting one that was moved from std::future_error(no_state).
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
        state_->set_exception(
            std::make_exception_ptr(std::future_error(std::future_errc::broken_promise)));
    }

    void set_value(detail::future_state<T>::value value)
        requires(!std::is_void_v<T>)
    {
        state().set_value(std::move(value));
    }
    void set_value()
        requires std::is_void_v<T>
    {
        state().set_value({});
    }
    void set_exception(std::exception_ptr thrown) { state().set_exception(std::move(thrown)); }

private:
    detail::future_state<T>& state() const {
        if (state_ == nullptr) throw std::future_error(std::future_errc::no_state);
        return *state_;
    }

    std::shared_ptr<detail::future_state<T>> state_;
};

/// Both ends of one future.
template <class T>
struct promise_and_future {
    overlap::promise<T> promise;
    overlap::future<T> future;
};

}  // namespace overlap
