// Operating-system errors as exceptions, and exceptions in words.
#pragma once

#include <cerrno>
#include <exception>
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

/// What `thrown` says of itself, for reports.
inline std::string describe(const std::exception_ptr& thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const std::exception& error) {
        return error.what();
    } catch (...) {
        return "an exception that is no std::exception";
    }
}

}  // namespace overlap
