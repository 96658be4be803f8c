// the only error: .*the runtime has no read\(int, std::span<std::byte>\) -> std::size_t, or an awaitable
#include "a_runtime.hpp"

#include <overlap/core/explain_runtime.hpp>

struct mine : a_runtime {
    int read(int, std::span<std::byte>);
};

static_assert(overlap::explain_runtime<mine>());
