// expected: nothing
// What is refused beside this file is refused for its own sake, not for want of a header.
#include <overlap/coroutine/async_generator.hpp>
#include <overlap/coroutine/gather.hpp>

#include <functional>
#include <memory>

struct something {
    static bool await_ready();
    static void await_suspend(std::coroutine_handle<>);
    static void await_resume();
};

overlap::task<> accepted(overlap::task<int> other, std::shared_ptr<int> shared) {
    co_await something{};
    co_await std::move(other);
    const auto body = [shared](std::size_t) -> overlap::task<> { co_return; };
    co_await overlap::gather(3, std::ref(body));
    co_await overlap::gather(3, body);
}
