// the only error: .*the runtime has no write\(int, std::span<const std::byte>\) -> void, or an awaitable
#include "a_runtime.hpp"

#include <overlap/core/explain_runtime.hpp>

struct mine : a_runtime {
    std::size_t write(int, std::span<const std::byte>);
};

static_assert(overlap::explain_runtime<mine>());
