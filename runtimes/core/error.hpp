// Operating-system errors as exceptions.
#pragma once

#include <cerrno>
#include <string>
#include <system_error>

namespace overlap {

/// Throws std::system_error for `error` (an errno value, positive); `what` names the call.
[[noreturn]] inline void throw_errno(int error, const std::string& what) {
    throw std::system_error(error, std::generic_category(), what);
}

/// Passes a system call's result on, or throws std::system_error from errno when it is negative.
template <class Result>
Result check_errno(Result result, const char* what) {
    if (result < 0) throw_errno(errno, what);
    return result;
}

}  // namespace overlap
