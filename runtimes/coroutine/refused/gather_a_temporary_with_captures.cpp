// expected: static assertion failed.*name it first, then give std::ref\(name\)
// accepted by: Clang
#include <overlap/coroutine/gather.hpp>

#include <memory>

overlap::task<> refused(std::shared_ptr<int> shared) {
    co_await overlap::gather(3, [shared](std::size_t) -> overlap::task<> { co_return; });
}
