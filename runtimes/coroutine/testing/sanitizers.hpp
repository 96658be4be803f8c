// Which instrumentation this program was built with, for tests that it would falsify.
#pragma once

#ifndef __has_feature  // g++ 12 has none; with the sanitizers the presets use clang.
#define __has_feature(feature) 0
#endif

namespace overlap {

inline constexpr bool under_thread_sanitizer = __has_feature(thread_sanitizer);
inline constexpr bool under_address_sanitizer = __has_feature(address_sanitizer);

}  // namespace overlap
