// What can stand behind co_await.
#pragma once

#include <concepts>
#include <coroutine>
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

/// Awaits an awaiter that lives elsewhere in the frame.
template <class A>
class awaiter_reference {
public:
    explicit awaiter_reference(A& to) noexcept : to_(&to) {}

    bool await_ready() { return to_->await_ready(); }
    auto await_suspend(std::coroutine_handle<> waiter) { return to_->await_suspend(waiter); }
    decltype(auto) await_resume() { return to_->await_resume(); }

private:
    A* to_;
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
                return awaiter_reference(elsewhere);
            } else {
                return awaiter_of(std::forward<A>(operand));
            }
        }
    }
};

}  // namespace detail

}  // namespace overlap
