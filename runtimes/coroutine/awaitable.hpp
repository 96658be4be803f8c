// What can stand behind co_await.
#pragma once

#include <concepts>
#include <coroutine>
#include <cstdint>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace overlap {

namespace detail {

template <class A>
concept awaiter = requires(A& a, std::coroutine_handle<> waiter) {
    { a.await_ready() } -> std::convertible_to<bool>;
    a.await_suspend(waiter);
    a.await_resume();
};

template <class A>
concept has_member_co_await = requires(A&& a) {
    { std::forward<A>(a).operator co_await() } -> awaiter;
};

template <class A>
concept has_free_co_await = requires(A&& a) {
    { operator co_await(std::forward<A>(a)) } -> awaiter;
};

}  // namespace detail

/// A type with await_ready, await_suspend and await_resume, or with an operator co_await that
/// returns such a type. `A&&` is how it would be awaited: some types, like task, must be rvalues.
template <class A>
concept awaitable = detail::awaiter<std::remove_reference_t<A>> || detail::has_member_co_await<A> ||
                    detail::has_free_co_await<A>;

namespace detail {

/// An awaiter that must lie in the frame of the coroutine that awaits it, and says so by a member
/// type of this name.
template <class A>
concept lies_in_frame = requires { typename A::lies_in_frame; };

/// An awaiter that can be given up when its coroutine is cancelled, and says so by a member type of
/// this name: see cancellable_reference.
template <class A>
concept gives_up = requires { typename A::gives_up; };

template <class A>
class cancellable_reference;

/// A pointer to something less than 256 KiB away, in two bytes. Stays where it was made.
template <class T>
class near_pointer {
public:
    /// Throws std::length_error when `to` is further away.
    explicit near_pointer(T* to) {
        const auto units = static_cast<std::intptr_t>(address(to) - base()) / unit;
        if (!std::in_range<std::int16_t>(units)) {
            throw std::length_error("what a coroutine waits for must lie in its own frame, less "
                                    "than 256 KiB from where it waits");
        }
        units_ = static_cast<std::int16_t>(units);
    }
    near_pointer(const near_pointer&) = delete;
    near_pointer& operator=(const near_pointer&) = delete;

    T* operator->() const noexcept {
        return reinterpret_cast<T*>(base() + static_cast<std::uintptr_t>(units_ * unit));
    }

private:
    static constexpr std::intptr_t unit = alignof(void*);
    static_assert(alignof(T) % unit == 0);

    static std::uintptr_t address(const void* of) noexcept {
        return reinterpret_cast<std::uintptr_t>(of);
    }
    /// Where this lies, rounded down as T is aligned.
    [[nodiscard]] std::uintptr_t base() const noexcept {
        return address(this) & ~static_cast<std::uintptr_t>(unit - 1);
    }

    std::int16_t units_;
};

/// Awaits an awaiter that lives elsewhere in the frame. g++ keeps this among single bytes, where
/// two more are free; a whole pointer would take a sleeping task from 112 to 128 bytes.
template <class A>
class awaiter_reference {
public:
    explicit awaiter_reference(A& to) noexcept(!lies_in_frame<A>) : to_(&to) {}

    bool await_ready() { return to_->await_ready(); }
    template <class Promise>
    auto await_suspend(std::coroutine_handle<Promise> waiter) {
        return to_->await_suspend(waiter);
    }
    decltype(auto) await_resume() { return to_->await_resume(); }

private:
    std::conditional_t<lies_in_frame<A>, near_pointer<A>, A*> to_;
};

/// What does the waiting: what an operator co_await returns, or the operand itself.
template <awaitable A>
decltype(auto) awaiter_of(A&& operand) {
    if constexpr (has_member_co_await<A>) {
        return std::forward<A>(operand).operator co_await();
    } else if constexpr (has_free_co_await<A>) {
        return operator co_await(std::forward<A>(operand));
    } else {
        return (operand);
    }
}

/// A base of promises: makes an error about co_await say what was expected.
struct checks_awaitables {
    template <class A>
    static auto await_transform(A&& operand) {
        static_assert(awaitable<A>,
                      "co_await needs an awaitable: a task (moved: co_await std::move(t)), a "
                      "spawned task, a future, what a runtime's calls return, or any type with "
                      "await_ready, await_suspend and await_resume or an operator co_await");
        if constexpr (awaitable<A>) {
            if constexpr (std::is_reference_v<decltype(awaiter_of(std::forward<A>(operand)))>) {
                // Not that object itself: g++ 12 would keep a second copy of it in the frame.
                auto&& elsewhere = awaiter_of(std::forward<A>(operand));
                using reference = std::conditional_t<
                    gives_up<std::remove_cvref_t<decltype(elsewhere)>>,
                    cancellable_reference<std::remove_reference_t<decltype(elsewhere)>>,
                    awaiter_reference<std::remove_reference_t<decltype(elsewhere)>>>;
                return reference(elsewhere);
            } else {
                return awaiter_of(std::forward<A>(operand));
            }
        }
    }
};

}  // namespace detail

}  // namespace overlap
