// the only error: .*the event loop has no static constexpr name\(\) -> std::string_view
#include "a_loop.hpp"

#include <overlap/core/explain_event_loop.hpp>

struct mine : a_loop {
    static std::string_view name();
};

static_assert(overlap::explain_event_loop<mine>());
