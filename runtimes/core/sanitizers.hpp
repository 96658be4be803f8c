// Which of the compilers' sanitizers this is built with.
#pragma once

namespace overlap {

// g++ defines macros, clang has features.
#if !defined(__has_feature)
#define OVERLAP_HAS_FEATURE(what) 0
#else
#define OVERLAP_HAS_FEATURE(what) __has_feature(what)
#endif
#if defined(__SANITIZE_ADDRESS__) || OVERLAP_HAS_FEATURE(address_sanitizer)
inline constexpr bool address_sanitizer = true;
#else
inline constexpr bool address_sanitizer = false;
#endif
#if defined(__SANITIZE_THREAD__) || OVERLAP_HAS_FEATURE(thread_sanitizer)
inline constexpr bool thread_sanitizer = true;
#else
inline constexpr bool thread_sanitizer = false;
#endif
#undef OVERLAP_HAS_FEATURE

inline constexpr bool sanitized = address_sanitizer || thread_sanitizer;

}  // namespace overlap
