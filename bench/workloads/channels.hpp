// Which runtimes make channels.
#pragma once

namespace overlap::bench {

template <class Runtime, class T>
concept makes_channels = requires(Runtime& runtime) { runtime.template make_channel<T>(1); };

/// What a row says of a runtime that makes none.
inline constexpr const char* no_channel =
    "no workload: the runtime has no channel between any two of its tasks";

}  // namespace overlap::bench
