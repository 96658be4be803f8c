// the only error: .*calls of both colours
#include "a_runtime.hpp"

#include <overlap/core/explain_runtime.hpp>

#include <coroutine>

struct mine : a_runtime {
    std::suspend_always yield();
};

static_assert(overlap::explain_runtime<mine>());
