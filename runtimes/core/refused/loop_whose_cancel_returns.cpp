// the only error: .*the event loop has no cancel\(operation\*\) -> void
#include "a_loop.hpp"

#include <overlap/core/explain_event_loop.hpp>

struct mine : a_loop {
    bool cancel(overlap::operation*);
};

static_assert(overlap::explain_event_loop<mine>());
