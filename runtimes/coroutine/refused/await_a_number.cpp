// expected: static assertion failed.*co_await needs an awaitable: a task \(moved
#include <overlap/coroutine/task.hpp>

overlap::task<> refused() { co_await 5; }
