// Calls a function in a child process, so that a crash or a hang of it is a result like any other.
#pragma once

#include <overlap/core/error.hpp>
#include <overlap/core/socket.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace overlap {

/// How a forked call ended.
struct forked_result {
    int status = 0;       ///< As waitpid(2) gives it.
    std::string message;  ///< What the function returned; empty if it did not get so far.

    /// The time was over.
    [[nodiscard]] bool hung() const noexcept {
        return WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
    }
    /// "signal 11 (Segmentation fault)", or "exit code 3".
    [[nodiscard]] std::string how() const {
        if (WIFSIGNALED(status)) {
            const int number = WTERMSIG(status);
            return "signal " + std::to_string(number) + " (" + ::strsignal(number) + ")";
        }
        return "exit code " + std::to_string(WEXITSTATUS(status));
    }
};

namespace detail {

template <class Function>
[[noreturn]] void call_and_exit(Function& function, int pipe, std::chrono::seconds limit) {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const rlimit no_core{.rlim_cur = 0, .rlim_max = 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    ::signal(SIGALRM, SIG_DFL);
    ::alarm(static_cast<unsigned>(limit.count()));
    const std::string message = function();
    std::fflush(nullptr);
    // Shorter than PIPE_BUF, so that the parent need not read before the child has ended.
    [[maybe_unused]] const auto written =
        ::write(pipe, message.data(), std::min(message.size(), std::size_t{4'000}));
    ::_exit(0);
}

/// Waits for the child and ends whatever processes it has left behind.
inline int wait_and_clean_up(pid_t child) {
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) != 0) {
        if (errno != EINTR) throw_errno(errno, "waitid");
    }
    // Not yet reaped, the child keeps its number from being given to another process group.
    ::kill(-child, SIGKILL);
    int status = 0;
    check_errno(::waitpid(child, &status, 0), "waitpid");
    return status;
}

}  // namespace detail

/// Calls `function()` in a child process that is killed after `limit`, and with all that it started.
/// The function returns up to 4,000 bytes for the parent and must not throw. Call it from a process
/// that has only one thread, as a child has only the thread that forked it. Throws std::system_error
/// when there can be no child.
template <class Function>
forked_result forked_call(Function function, std::chrono::seconds limit) {
    std::array<int, 2> ends{};
    check_errno(::pipe2(ends.data(), O_CLOEXEC), "pipe to a child process");
    const unique_descriptor reader(ends[0]);
    unique_descriptor writer(ends[1]);
    std::fflush(nullptr);
    const pid_t child = check_errno(::fork(), "fork of a child process");
    if (child == 0) detail::call_and_exit(function, writer.get(), limit);
    writer = unique_descriptor();
    forked_result result{.status = detail::wait_and_clean_up(child), .message = {}};
    std::array<char, 4'096> message{};
    const auto size = ::read(reader.get(), message.data(), message.size());
    check_errno(size, "read from a child process");
    result.message.assign(message.data(), static_cast<std::size_t>(size));
    return result;
}

}  // namespace overlap
