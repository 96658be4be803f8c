// expected: nothing
#include "a_runtime.hpp"

#include <overlap/core/explain_runtime.hpp>

struct mine : a_runtime {};

static_assert(overlap::explain_runtime<mine>());
