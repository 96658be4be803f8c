// the only error: .*the event loop has no post\(operation\*\) -> void
#include "a_loop.hpp"

#include <overlap/core/explain_event_loop.hpp>

class mine : public a_loop {
    void post(overlap::operation*);
};

static_assert(overlap::explain_event_loop<mine>());
