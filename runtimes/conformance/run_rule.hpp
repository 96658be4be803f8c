// Judges one rule in a child process, so that a hang or a crash is a verdict too.
#pragma once

#include <overlap/conformance/violation.hpp>
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
#include <exception>
#include <fcntl.h>
#include <string>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

// LeakSanitizer's own (sanitizer/lsan_interface.h), absent from a program built without it.
extern "C" [[gnu::weak]] int __lsan_do_recoverable_leak_check();

namespace overlap::conformance {

enum class outcome { kept, broken, not_applicable };

/// What became of a rule, and in words why, unless it was kept.
struct verdict {
    outcome what;
    std::string reason;
};

/// Which needs the thing under test and this program meet.
struct abilities {
    bool io = true;
    bool real_time = true;
    bool counted_allocation = false;

    [[nodiscard]] bool meet(need what) const noexcept {
        switch (what) {
        case need::nothing:
            return true;
        case need::io:
            return io;
        case need::real_time:
            return real_time;
        case need::counted_allocation:
            return counted_allocation && io;
        }
        return false;
    }
};

[[nodiscard]] inline std::string_view describe(need what) {
    switch (what) {
    case need::nothing:
        return "nothing";
    case need::io:
        return "I/O";
    case need::real_time:
        return "a clock that moves by itself";
    case need::counted_allocation:
        return "I/O and a program linked with count_allocations.cpp";
    }
    return "something unknown";
}

/// How long a rule may take before it counts as hung. Rules take milliseconds; the rest is for
/// busy machines and sanitizers.
inline constexpr std::chrono::seconds patience{20};

namespace detail {

/// What the child says when the rule was kept. The exit code alone would not do: a rule might end
/// the process.
inline constexpr std::string_view all_well = "kept";

/// How the child's words begin when the rule threw does_not_apply.
inline constexpr std::string_view no_case = "does not apply: ";

/// The child's side: never returns. "kept" or the reason goes through the pipe.
[[noreturn]] inline void check_and_exit(const rule& which, int pipe, std::chrono::seconds limit) {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const rlimit no_core{.rlim_cur = 0, .rlim_max = 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    ::signal(SIGPIPE, SIG_DFL);  // A loop must not count on its being ignored.
    ::signal(SIGALRM, SIG_DFL);
    ::alarm(static_cast<unsigned>(limit.count()));
    std::string message(all_well);
    try {
        which.check();
        if (__lsan_do_recoverable_leak_check != nullptr &&
            __lsan_do_recoverable_leak_check() != 0) {
            message = "memory leaked: LeakSanitizer's report is above";
        }
    } catch (const violation& broken) {
        message = broken.what();
    } catch (const does_not_apply& other) {
        message = text(no_case, other.what());
    } catch (const std::exception& other) {
        message = text("seen: an exception: ", other.what());
    } catch (...) {
        message = "seen: an exception that is no std::exception";
    }
    std::fflush(nullptr);
    // Shorter than PIPE_BUF, so that the parent need not read before the child has ended.
    [[maybe_unused]] const auto written =
        ::write(pipe, message.data(), std::min(message.size(), std::size_t{4'000}));
    // With 0 a sanitizer that has reported something still puts its own exit code.
    ::_exit(message == all_well ? 0 : 1);
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

inline verdict judge(int status, std::string message, std::chrono::seconds limit) {
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
        return {outcome::broken, text("seen: still running after ", limit.count(), " s (hung)")};
    }
    if (WIFSIGNALED(status)) {
        const int signal = WTERMSIG(status);
        return {outcome::broken,
                text("seen: the process died of signal ", signal, " (", ::strsignal(signal), ')')};
    }
    if (message.empty() || (message == all_well && WEXITSTATUS(status) != 0)) {
        message = text("seen: the process ended with exit code ", WEXITSTATUS(status),
                       " (is a sanitizer's report above?)");
    }
    if (message == all_well) return {outcome::kept, ""};
    if (message.starts_with(no_case)) {
        return {outcome::not_applicable, message.substr(no_case.size())};
    }
    return {outcome::broken, std::move(message)};
}

}  // namespace detail

/// Checks `which` in a child process, if its need is met. Call it from a process that has only one
/// thread, as a child has only the thread that forked it. Throws std::system_error when there can
/// be no child.
inline verdict run_rule(const rule& which, const abilities& able = {},
                        std::chrono::seconds limit = patience) {
    if (!able.meet(which.needs)) {
        return {outcome::not_applicable, text("needs ", describe(which.needs))};
    }
    std::array<int, 2> ends{};
    check_errno(::pipe2(ends.data(), O_CLOEXEC), "pipe for a rule");
    const unique_descriptor reader(ends[0]);
    unique_descriptor writer(ends[1]);
    std::fflush(nullptr);
    const pid_t child = check_errno(::fork(), "fork for a rule");
    if (child == 0) detail::check_and_exit(which, writer.get(), limit);
    writer = unique_descriptor();
    const int status = detail::wait_and_clean_up(child);
    std::array<char, 4'096> message{};
    const auto size = ::read(reader.get(), message.data(), message.size());
    check_errno(size, "read from a rule's pipe");
    return detail::judge(status, {message.data(), static_cast<std::size_t>(size)}, limit);
}

/// What a reader wants to know of a broken rule: name, what was seen, the contract and its place.
[[nodiscard]] inline std::string describe(const rule& which, const verdict& result) {
    return text(which.name, "\n  ", result.reason, "\n  contract: ", which.contract,
                "\n  written in: ", which.where);
}

}  // namespace overlap::conformance
