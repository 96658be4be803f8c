// expected: nothing
#include "a_loop.hpp"

#include <overlap/core/explain_event_loop.hpp>

struct mine : a_loop {};

static_assert(overlap::explain_event_loop<mine>());
