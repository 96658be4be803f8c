// A process that this one has started: bounded in time, and never left behind.
#pragma once

#include <overlap/core/error.hpp>
#include <overlap/core/socket.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <optional>
#include <poll.h>
#include <string>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace overlap {

/// "was killed by signal 9 (Killed)", "exited with 3", or "" for success; `status` is from waitpid(2).
[[nodiscard]] inline std::string describe_end(int status) {
    if (!WIFSIGNALED(status)) {
        return WEXITSTATUS(status) == 0 ? "" : "exited with " + std::to_string(WEXITSTATUS(status));
    }
    const char* const name = ::sigdescr_np(WTERMSIG(status));
    return "was killed by signal " + std::to_string(WTERMSIG(status)) + " (" +
           (name != nullptr ? name : "unknown") + ')';
}

/// fork(2), for a child that is killed when the thread that forked it ends (prctl(2) says thread, not
/// process). Returns as fork does. What is buffered for output is written first, or it would be
/// written twice.
[[nodiscard]] inline pid_t fork_child() noexcept {
    std::fflush(nullptr);
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child != 0) return child;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(0);  // It ended before the line above.
    return 0;
}

/// Ends a child without running what its parent registered for its own end; what it printed is
/// written.
[[noreturn]] inline void exit_child(int code = 0) noexcept {
    std::fflush(nullptr);
    ::_exit(code);
}

/// Waits for this child and no other; returns its status. When somebody else has waited for it (a
/// SIGCHLD that is ignored does that), the status is unknown and reads as an exit with 0.
inline int wait_for(pid_t child) noexcept {
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    return status;
}

/// How long poll(2) may wait for something that is due at `deadline`, in milliseconds, rounded up.
[[nodiscard]] inline int poll_patience(std::chrono::steady_clock::time_point deadline) noexcept {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1'000'000));
}

/// Owns a child until it has been waited for, and kills it if that has not happened before. The parent
/// keeps the time and SIGKILL ends it, so it matters to nobody which signals the child blocks.
class child_process {
public:
    using clock = std::chrono::steady_clock;

    child_process() = default;

    /// Takes `child` over, just forked by this process.
    explicit child_process(pid_t child) : id_(child), parent_(::getpid()) {
        // By number: glibc 2.36 declares pidfd_open without extern "C", so C++ cannot link it.
        descriptor_ = unique_descriptor(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
    }

    /// Forks a process, in a process group of its own, that runs `body()` and exits with what it
    /// returns, or with 70 (EX_SOFTWARE in sysexits.h) and a line on standard error if it throws. What
    /// is left of the group when the child has ended is killed. The calling process must have only one
    /// thread, as a child has only the one that forked it. Throws std::system_error.
    template <class Body>
    [[nodiscard]] static child_process in_group(Body&& body) {
        const pid_t child = check_errno(fork_child(), "fork of a child process");
        if (child == 0) {
            ::setpgid(0, 0);
            exit_child(run_guarded(body));
        }
        ::setpgid(child, child);  // Both sides do it, so that it is done before either goes on.
        child_process made(child);
        made.leads_group_ = true;
        return made;
    }

    /// Starts a program in `folder`; `words` begin with its name, which is looked for on PATH. Where
    /// a descriptor is not negative it becomes the child's standard input, output or error. A program
    /// that cannot be run says so on standard error and exits with 127, as from a shell. Throws
    /// std::system_error.
    [[nodiscard]] static child_process program(const std::vector<std::string>& words,
                                               const std::array<int, 3>& descriptors,
                                               const std::string& folder = ".") {
        std::vector<char*> arguments;
        arguments.reserve(words.size() + 1);
        for (const auto& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
        arguments.push_back(nullptr);
        const pid_t child = check_errno(fork_child(), "fork for a program");
        if (child != 0) return child_process(child);
        ::signal(SIGPIPE, SIG_DFL);  // What is ignored stays ignored in the program.
        for (std::size_t i = 0; i < descriptors.size(); ++i) {
            if (descriptors[i] >= 0) ::dup2(descriptors[i], static_cast<int>(i));
        }
        if (::chdir(folder.c_str()) == 0) ::execvp(arguments[0], arguments.data());
        std::fprintf(stderr, "cannot run %s in %s: %s\n", arguments[0], folder.c_str(),
                     std::strerror(errno));
        exit_child(127);
    }

    child_process(child_process&& other) noexcept
        : id_(std::exchange(other.id_, 0)), parent_(other.parent_),
          leads_group_(other.leads_group_), descriptor_(std::move(other.descriptor_)) {}
    child_process& operator=(child_process&& other) noexcept {
        std::swap(id_, other.id_);
        std::swap(parent_, other.parent_);
        std::swap(leads_group_, other.leads_group_);
        std::swap(descriptor_, other.descriptor_);
        return *this;
    }
    ~child_process() { kill(); }

    [[nodiscard]] bool exists() const noexcept { return id_ != 0; }
    [[nodiscard]] pid_t id() const noexcept { return id_; }
    /// Readable in poll(2) once the child has ended; -1, which poll skips, when there is no child, or
    /// where the kernel or a filter refuses pidfd_open(2).
    [[nodiscard]] int descriptor() const noexcept { return descriptor_.get(); }

    /// Waits for the end and returns how it ended, for describe_end.
    int wait() noexcept {
        if (leads_group_) {
            // Not yet reaped, the child keeps its number from being given to another group.
            siginfo_t info{};
            const auto id = static_cast<id_t>(id_);
            while (::waitid(P_PID, id, &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {}
            ::kill(-id_, SIGKILL);
        }
        const int status = wait_for(id_);
        id_ = 0;
        descriptor_ = unique_descriptor();
        return status;
    }

    /// The same, or nothing when it has not ended by then.
    std::optional<int> wait_until(clock::time_point deadline) noexcept {
        constexpr int nap_ms = 5;  // Where there is no descriptor to wait for.
        for (;;) {
            if (has_ended()) return wait();
            if (clock::now() >= deadline) return std::nullopt;
            pollfd end{.fd = descriptor(), .events = POLLIN, .revents = 0};
            const int patience = poll_patience(deadline);
            ::poll(&end, 1, descriptor() < 0 ? std::min(patience, nap_ms) : patience);
        }
    }

    /// Kills it, if it exists, and waits for it. A fork's copy of this object owns nothing.
    void kill() noexcept {
        if (id_ == 0 || ::getpid() != parent_) return;
        ::kill(id_, SIGKILL);
        wait();
    }

private:
    [[nodiscard]] bool has_ended() const noexcept {
        siginfo_t info{};
        const int how = WEXITED | WNOHANG | WNOWAIT;
        return ::waitid(P_PID, static_cast<id_t>(id_), &info, how) != 0 || info.si_pid != 0;
    }

    template <class Body>
    static int run_guarded(Body& body) noexcept {
        constexpr int unforeseen = 70;
        try {
            return body();
        } catch (const std::exception& error) {
            std::fprintf(stderr, "a child process threw: %s\n", error.what());
        } catch (...) {
            std::fprintf(stderr, "a child process threw what is no std::exception\n");
        }
        return unforeseen;
    }

    pid_t id_ = 0;
    pid_t parent_ = 0;
    bool leads_group_ = false;
    unique_descriptor descriptor_;
};

/// Both ends of a pipe(2), closed on exec.
struct pipe_ends {
    unique_descriptor read;
    unique_descriptor write;

    /// Throws std::system_error.
    pipe_ends() {
        std::array<int, 2> ends{};
        check_errno(::pipe2(ends.data(), O_CLOEXEC), "pipe");
        read = unique_descriptor(ends[0]);
        write = unique_descriptor(ends[1]);
    }
};

}  // namespace overlap
