// expected: static assertion failed.*gather\(count, body\): body\(index\) returns a task
#include <overlap/coroutine/gather.hpp>

overlap::task<> refused() {
    co_await overlap::gather(3, [](std::size_t index) { return index; });
}
