// How the rules of runtimes make a runtime that stands on a loop.
#pragma once

#include <overlap/conformance/runtime_tasks.hpp>
#include <overlap/coroutine/coroutine.hpp>
#include <overlap/fiber/fiber.hpp>

namespace overlap::conformance {

template <class Loop>
struct fresh<coroutine<Loop>> {
    template <class T>
    using task = overlap::task<T>;

    Loop loop;
    coroutine<Loop> runtime{loop};
};

template <class Loop>
struct fresh<fiber<Loop>> {
    Loop loop;
    fiber<Loop> runtime{loop};
};

}  // namespace overlap::conformance
