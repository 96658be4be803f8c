// the only error: .*the event loop has no constructor without arguments
#include "a_loop.hpp"

#include <overlap/core/explain_event_loop.hpp>

struct mine : a_loop {
    explicit mine(int);
};

static_assert(overlap::explain_event_loop<mine>());
