// expected: static assertion failed.*task<T&>: return a pointer or std::reference_wrapper
#include <overlap/coroutine/task.hpp>

overlap::task<int&> refused(int& number) { co_return number; }
