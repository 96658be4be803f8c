// How rules learn whether memory was allocated.
#pragma once

#include <atomic>
#include <cstdint>

namespace overlap::conformance {

/// Calls of malloc, and of what is like it, in this program so far, in all threads and by all libraries; or
/// nullptr when nobody counts them. Set by count_allocations.cpp, which a program is linked with to have them counted.
inline const std::atomic<std::uint64_t>* allocation_count = nullptr;

}  // namespace overlap::conformance
