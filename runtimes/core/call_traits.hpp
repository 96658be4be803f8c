// Whether a type has a call: for errors that name the one that is missing or wrong, where a concept
// alone would say no more than that it was not satisfied.
#pragma once

#include <type_traits>

namespace overlap::detail {

/// `Call<T>` is the type of a call on a T, as decltype gives it. These are variables rather than
/// concepts, of which compilers would explain at length why they do not hold.
template <template <class> class Call, class T>
inline constexpr bool has_call = requires { typename Call<T>; };

/// T has the call, and what it returns is a Result.
template <template <class> class Call, class T, class Result>
inline constexpr bool has_call_to = [] {
    if constexpr (has_call<Call, T>) {
        return std::is_same_v<Call<T>, Result>;
    } else {
        return false;
    }
}();

}  // namespace overlap::detail
