// Why a type is no event loop: an error for each call that is missing or wrong, in words.
#pragma once

#include <overlap/core/call_traits.hpp>
#include <overlap/core/event_loop.hpp>

#include <string_view>
#include <type_traits>
#include <utility>

namespace overlap {

namespace detail::loop_calls {

template <class L>
using name = std::bool_constant<std::string_view(L::name()).empty()>;
template <class L>
using available = std::enable_if_t<noexcept(L::available()), decltype(L::available())>;
template <class L>
using now = decltype(std::declval<L&>().now());
template <class L>
using post = decltype(std::declval<L&>().post(std::declval<operation*>()));
template <class L>
using post_remote = decltype(std::declval<L&>().post_remote(std::declval<operation*>()));
template <class L>
using call_at = decltype(std::declval<L&>().call_at(std::declval<timer_operation*>(),
                                                    std::declval<time_point>()));
template <class L>
using submit = decltype(std::declval<L&>().submit(std::declval<io_operation*>()));
template <class L>
using cancel = decltype(std::declval<L&>().cancel(std::declval<operation*>()));
template <class L>
using run = decltype(std::declval<L&>().run());
template <class L>
using stop = decltype(std::declval<L&>().stop());

}  // namespace detail::loop_calls

/// Always true; what is wrong with `L` is an error of the compiler that names the call:
///
///     static_assert(overlap::explain_event_loop<my::loop>());
///
/// It asks for a little more than the concept does, namely what a table and the suite need of a
/// loop: that its name is a constant, and that it can be made without arguments.
template <class L>
consteval bool explain_event_loop() {
    using namespace detail;
    static_assert(has_call_to<loop_calls::name, L, std::false_type>,
                  "the event loop has no static constexpr name() -> std::string_view, "
                  "not empty: see overlap/core/event_loop.hpp");
    static_assert(has_call_to<loop_calls::available, L, availability>,
                  "the event loop has no static available() noexcept -> availability: "
                  "see overlap/core/event_loop.hpp");
    static_assert(has_call_to<loop_calls::now, L, time_point>,
                  "the event loop has no now() -> time_point: see overlap/core/event_loop.hpp");
    static_assert(has_call_to<loop_calls::post, L, void>,
                  "the event loop has no post(operation*) -> void: "
                  "see overlap/core/event_loop.hpp");
    static_assert(has_call_to<loop_calls::post_remote, L, void>,
                  "the event loop has no post_remote(operation*) -> void: "
                  "see overlap/core/event_loop.hpp");
    static_assert(has_call_to<loop_calls::call_at, L, void>,
                  "the event loop has no call_at(timer_operation*, time_point) -> void: "
                  "see overlap/core/event_loop.hpp");
    static_assert(has_call_to<loop_calls::submit, L, void>,
                  "the event loop has no submit(io_operation*) -> void: "
                  "see overlap/core/event_loop.hpp");
    static_assert(has_call_to<loop_calls::cancel, L, void>,
                  "the event loop has no cancel(operation*) -> void: "
                  "see overlap/core/event_loop.hpp");
    static_assert(has_call_to<loop_calls::run, L, void>,
                  "the event loop has no run() -> void: see overlap/core/event_loop.hpp");
    static_assert(has_call_to<loop_calls::stop, L, void>,
                  "the event loop has no stop() -> void: see overlap/core/event_loop.hpp");
    static_assert(std::is_default_constructible_v<L>,
                  "the event loop has no constructor without arguments");
    return true;
}

}  // namespace overlap
