// How rules learn whether operator new was called.
#pragma once

#include <atomic>
#include <cstdint>

namespace overlap::conformance {

/// Calls of operator new in this program so far, in all threads; or nullptr when nobody counts
/// them. Set by count_allocations.cpp, which a program is linked with to have them counted.
inline const std::atomic<std::uint64_t>* allocation_count = nullptr;

}  // namespace overlap::conformance
