// A loop and runtimes under names of their own, to add to the suite as anybody's would be.
#pragma once

#include <overlap/cores/sharded_fiber.hpp>
#include <overlap/coroutine/coroutine.hpp>
#include <overlap/loops/epoll.hpp>
#include <overlap/loops/poll.hpp>

#include <string_view>

namespace borrowed {

struct loop : overlap::epoll_loop {
    static constexpr std::string_view name() { return "borrowed"; }
};

/// On as many cores as it is told of.
struct direct_runtime : overlap::sharded_fiber<overlap::poll_loop> {
    using sharded_fiber::sharded_fiber;
    static const char* name() { return "borrowed_direct"; }
};

namespace detail {
struct has_loop {
    overlap::poll_loop own_loop;
};
}  // namespace detail

/// Brings its own loop, and is made without arguments.
struct stackless_runtime : private detail::has_loop, public overlap::coroutine<overlap::poll_loop> {
    template <class T>
    using task = overlap::task<T>;

    stackless_runtime() : coroutine(own_loop) {}

    static const char* name() { return "borrowed_stackless"; }
};

}  // namespace borrowed
