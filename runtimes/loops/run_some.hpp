// A bounded share of what is queued, so that a loop looks at timers and I/O in between.
#pragma once

#include <overlap/core/operation_queue.hpp>

#include <algorithm>
#include <chrono>

namespace overlap {

/// Runs operations of `queue` in their order until there are none, `stopping` is set, or it is time
/// to look at what is due: after 1,024 operations, rare enough to cost nothing beside them, or with
/// the operation that ends 100 us after the first began.
///
/// Reading a clock takes as long as several short operations. So it is read before the first, after
/// it, and then after 2, 4, 8 ... of them; at least every 128, since slow ones may stand behind.
inline void run_some(operation_queue& queue, const bool& stopping) noexcept {
    constexpr int most = 1024;
    constexpr int farthest_look = 128;
    constexpr std::chrono::microseconds longest{100};
    if (queue.empty()) return;
    const auto begin = std::chrono::steady_clock::now();
    int next_look = 1;
    for (int i = 1; i <= most && !stopping; ++i) {
        operation* op = queue.pop();
        if (op == nullptr) return;
        __builtin_prefetch(queue.front());  // Of many that waited, the next one is cold.
        op->done(op);
        if (i != next_look) continue;
        if (queue.empty() || std::chrono::steady_clock::now() - begin > longest) return;
        next_look += std::min(next_look, farthest_look);
    }
}

}  // namespace overlap
