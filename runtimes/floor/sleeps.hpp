// Sleeping with no runtime at all: a table of deadlines and one clock_nanosleep after another.
#pragma once

#include <overlap/core/blocking_calls.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

namespace overlap::floor {

/// `count` sleeps at once, each of delay_of(index) from the moment its turn comes to start. Returns
/// by how many nanoseconds each woke late. Eight bytes a sleep, sixteen when delays differ.
template <class DelayOf>
std::vector<std::int64_t> sleeps(std::size_t count, DelayOf delay_of) {
    const auto now = [] { return blocking_calls::now().time_since_epoch().count(); };
    std::vector<std::int64_t> times(count);  // Deadlines first, then lateness.
    bool in_order = true;
    for (std::size_t i = 0; i < count; ++i) {
        times[i] = now() + nanoseconds(delay_of(i)).count();
        in_order = in_order && (i == 0 || times[i - 1] <= times[i]);
    }
    const auto wake = [&](std::size_t index) {
        const std::int64_t deadline = times[index];
        std::int64_t woken = now();
        if (woken < deadline) {
            blocking_calls::sleep_until(time_point(nanoseconds(deadline)));
            woken = now();
        }
        times[index] = woken - deadline;
    };
    if (in_order) {
        for (std::size_t i = 0; i < count; ++i) wake(i);
        return times;
    }
    std::vector<std::size_t> order(count);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return times[a] < times[b]; });
    for (const std::size_t index : order) wake(index);
    return times;
}

}  // namespace overlap::floor
