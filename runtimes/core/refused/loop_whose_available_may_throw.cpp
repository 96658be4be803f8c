// the only error: .*the event loop has no static available\(\) noexcept
#include "a_loop.hpp"

#include <overlap/core/explain_event_loop.hpp>

struct mine : a_loop {
    static overlap::availability available();
};

static_assert(overlap::explain_event_loop<mine>());
