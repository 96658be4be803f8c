// the only error: .*the event loop has no call_at\(timer_operation\*, time_point\) -> void: see overlap/core/event_loop.hpp
#include "a_loop.hpp"

#include <overlap/core/explain_event_loop.hpp>

struct mine : a_loop {
    void call_at() = delete;
};

static_assert(overlap::explain_event_loop<mine>());
