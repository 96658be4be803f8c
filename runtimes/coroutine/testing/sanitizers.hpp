// Which instrumentation this program was built with, for tests that it would falsify.
#pragma once

namespace overlap {

inline constexpr bool under_thread_sanitizer =
#if defined(__SANITIZE_THREAD__)
    true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
    true;
#else
    false;
#endif
#else
    false;
#endif

}  // namespace overlap
