// expected: static assertion failed.*co_await needs an awaitable: a task \(moved
#include <overlap/coroutine/async_generator.hpp>

overlap::async_generator<int> refused() {
    co_await "a string";
    co_yield 1;
}
