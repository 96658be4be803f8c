// How many tasks a backend can have in flight at once, which takes making its runtime.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

namespace overlap::bench {

/// What `limit` returns in a process of its own that is held to `cores` cores (0: all), found out once
/// for each backend and number of cores. Throws std::runtime_error with the reason when the runtime
/// cannot be made.
std::size_t probe_task_limit(const std::string& backend, std::size_t cores,
                             const std::function<std::size_t()>& limit);

/// Why a run that needs so many tasks in flight at once has no row, in words; empty: it has one.
std::string why_beyond(std::size_t task_limit, std::size_t tasks);

}  // namespace overlap::bench
