// the only error: .*the runtime has no gather\(std::size_t, body\): see overlap/core/runtime.hpp
#include "a_runtime.hpp"

#include <overlap/core/explain_runtime.hpp>

struct mine : a_runtime {
    void gather() = delete;
};

static_assert(overlap::explain_runtime<mine>());
