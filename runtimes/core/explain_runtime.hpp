// Why a type is no runtime: an error for each call that is missing or wrong, in words.
#pragma once

#include <overlap/core/call_traits.hpp>
#include <overlap/core/runtime.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

namespace overlap {

namespace detail::runtime_calls {

template <class R>
using name = std::bool_constant<std::is_convertible_v<decltype(R::name()), std::string>>;
template <class R>
using task_limit = decltype(std::declval<R&>().task_limit());
template <class R>
using now = decltype(std::declval<R&>().now());
template <class R>
using run = decltype(std::declval<R&>().run([] { return 1; }));
template <class R>
using gather = decltype(std::declval<R&>().gather(std::size_t{1}, probe_body{}));
template <class R>
using sleep_until = decltype(std::declval<R&>().sleep_until(std::declval<time_point>()));
template <class R>
using yield = decltype(std::declval<R&>().yield());
template <class R>
using accept = decltype(std::declval<R&>().accept(1));
template <class R>
using connect = decltype(std::declval<R&>().connect(std::declval<const endpoint&>()));
template <class R>
using read = decltype(std::declval<R&>().read(1, std::declval<std::span<std::byte>>()));
template <class R>
using write = decltype(std::declval<R&>().write(1, std::declval<std::span<const std::byte>>()));
template <class R>
using close = decltype(std::declval<R&>().close(1));

template <template <class> class Call, class R>
inline constexpr bool is_awaitable = [] {
    if constexpr (has_call<Call, R>) {
        return has_await_protocol<Call<R>>;
    } else {
        return false;
    }
}();

/// A call that holds the task and returns a Result, or one that returns an awaitable.
template <template <class> class Call, class R, class Result>
inline constexpr bool has_step = has_call_to<Call, R, Result> || is_awaitable<Call, R>;

/// How many of the seven steps return awaitables: all of a stackless runtime's, none of a direct one's.
template <class R>
inline constexpr int awaitables =
    is_awaitable<sleep_until, R> + is_awaitable<yield, R> + is_awaitable<accept, R> +
    is_awaitable<connect, R> + is_awaitable<read, R> + is_awaitable<write, R> +
    is_awaitable<close, R>;

}  // namespace detail::runtime_calls

/// Always true; what is wrong with `R` is an error of the compiler that names the call:
///
///     static_assert(overlap::explain_runtime<my::runtime>());
///
/// Of a stackless runtime, run() and gather() are first seen to be missing where they are called,
/// since only the runtime knows the type of its coroutines.
template <class R>
consteval bool explain_runtime() {
    using namespace detail;
    static_assert(has_call_to<runtime_calls::name, R, std::true_type>,
                  "the runtime has no static name() -> std::string: see overlap/core/runtime.hpp");
    static_assert(has_call_to<runtime_calls::task_limit, R, std::size_t>,
                  "the runtime has no task_limit() -> std::size_t: see overlap/core/runtime.hpp");
    static_assert(has_call_to<runtime_calls::now, R, time_point>,
                  "the runtime has no now() -> time_point: see overlap/core/runtime.hpp");
    static_assert(runtime_calls::has_step<runtime_calls::sleep_until, R, void>,
                  "the runtime has no sleep_until(time_point) -> void, or an awaitable: "
                  "see overlap/core/runtime.hpp");
    static_assert(runtime_calls::has_step<runtime_calls::yield, R, void>,
                  "the runtime has no yield() -> void, or an awaitable: "
                  "see overlap/core/runtime.hpp");
    static_assert(runtime_calls::has_step<runtime_calls::accept, R, int>,
                  "the runtime has no accept(int) -> int, or an awaitable: "
                  "see overlap/core/runtime.hpp");
    static_assert(runtime_calls::has_step<runtime_calls::connect, R, int>,
                  "the runtime has no connect(endpoint) -> int, or an awaitable: "
                  "see overlap/core/runtime.hpp");
    static_assert(runtime_calls::has_step<runtime_calls::read, R, std::size_t>,
                  "the runtime has no read(int, std::span<std::byte>) -> std::size_t, "
                  "or an awaitable: see overlap/core/runtime.hpp");
    static_assert(runtime_calls::has_step<runtime_calls::write, R, void>,
                  "the runtime has no write(int, std::span<const std::byte>) -> void, "
                  "or an awaitable: see overlap/core/runtime.hpp");
    static_assert(runtime_calls::has_step<runtime_calls::close, R, void>,
                  "the runtime has no close(int) -> void, or an awaitable: "
                  "see overlap/core/runtime.hpp");
    static_assert(runtime_calls::awaitables<R> == 0 || runtime_calls::awaitables<R> == 7,
                  "the runtime has calls of both colours; either all that can wait return "
                  "awaitables or none does: see overlap/core/runtime.hpp");
    if constexpr (runtime_calls::awaitables<R> == 0) {
        static_assert(has_call<runtime_calls::run, R>,
                      "the runtime has no run(root): see overlap/core/runtime.hpp");
        static_assert(has_call<runtime_calls::gather, R>,
                      "the runtime has no gather(std::size_t, body): "
                      "see overlap/core/runtime.hpp");
    }
    static_assert(std::is_default_constructible_v<R>,
                  "the runtime has no constructor without arguments");
    return true;
}

}  // namespace overlap
