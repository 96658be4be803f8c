// expected: static assertion failed.*co_await needs an awaitable: a task \(moved
#include <overlap/coroutine/task.hpp>

struct something {
    bool await_ready();  // but neither await_suspend nor await_resume
};

overlap::task<> refused() { co_await something{}; }
