// Forking a process that ends when its parent does, and learning how it ended.
#pragma once

#include <overlap/core/error.hpp>
#include <overlap/core/machine_limits.hpp>
#include <overlap/core/socket.hpp>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace overlap {

/// What a forked process costs: measured at 95 KB where the parent is small (page tables, a kernel
/// stack, pages copied on their first write).
inline constexpr task_demand process_demand{.memory = 128'000, .mappings = 0, .address_space = 0};

/// Threads of a process that has made none: ThreadSanitizer adds one, which it keeps out of the way
/// of fork(2).
#if defined(__SANITIZE_THREAD__)
inline constexpr std::uint64_t threads_at_rest = 2;
#elif defined(__has_feature)
inline constexpr std::uint64_t threads_at_rest = __has_feature(thread_sanitizer) ? 2 : 1;
#else
inline constexpr std::uint64_t threads_at_rest = 1;
#endif

/// Throws std::logic_error when this process has threads besides the calling one: what is forked
/// has only that one, and any lock that another held stays locked in it for ever.
inline void refuse_threads(const char* runtime) {
    std::uint64_t threads = 1;
    // A thread that has been joined counts until the kernel has buried it, a moment later.
    for (int attempt = 0; attempt < 50; ++attempt) {
        threads = detail::number_after("/proc/self/status", "Threads:").value_or(1);
        if (threads <= threads_at_rest) return;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    throw std::logic_error(std::string(runtime) +
                           " forks, which is safe only while a process has one thread; this one "
                           "has " +
                           std::to_string(threads) +
                           ": make the runtime before them, or in a process of its own");
}

/// fork(2) for tasks. The child is killed when the thread that forked it ends (prctl(2) says
/// thread, not process), and leaves Ctrl-C to its parent: a terminal sends SIGINT to both, and the
/// parent's answer is enough. Returns as fork does.
[[nodiscard]] inline pid_t fork_child() noexcept {
    std::fflush(nullptr);  // Or what is buffered would be written twice.
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child != 0) return child;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(0);  // It ended before the line above.
    std::signal(SIGINT, SIG_IGN);
    std::signal(SIGTERM, SIG_DFL);
    return 0;
}

/// Ends a child without running what its parent registered for its own end; what the tasks printed
/// is written.
[[noreturn]] inline void exit_child() noexcept {
    std::fflush(nullptr);
    ::_exit(0);
}

/// "process 1234 was killed by signal 9 (Killed)"; `status` is from waitpid(2).
[[nodiscard]] inline std::string describe_end(pid_t child, int status) {
    std::string words = "process " + std::to_string(child);
    if (!WIFSIGNALED(status)) {
        return words + " exited with status " + std::to_string(WEXITSTATUS(status));
    }
    const char* const name = ::sigdescr_np(WTERMSIG(status));
    return words + " was killed by signal " + std::to_string(WTERMSIG(status)) + " (" +
           (name != nullptr ? name : "unknown") + ')';
}

/// Waits for this child and no other; returns its status. When somebody else has waited for it (a
/// SIGCHLD that is ignored does that), the status is unknown and reads as an exit with 0.
inline int wait_for(pid_t child) noexcept {
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    return status;
}

/// Owns a child until it has been waited for, and kills it if that has not happened before.
class child_process {
public:
    child_process() = default;

    /// Takes `child` over, just forked by this process. Throws std::system_error, after the child
    /// has been killed, when there is no descriptor for it.
    explicit child_process(pid_t child) : id_(child), parent_(::getpid()) {
        // By number: glibc 2.36 declares pidfd_open without extern "C", so C++ cannot link it.
        const auto descriptor = static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
        if (descriptor < 0) {
            const int error = errno;
            kill();
            throw_errno(error, "pidfd_open");
        }
        descriptor_ = unique_descriptor(descriptor);
    }
    child_process(child_process&& other) noexcept
        : id_(std::exchange(other.id_, 0)), parent_(other.parent_),
          descriptor_(std::move(other.descriptor_)) {}
    child_process& operator=(child_process&& other) noexcept {
        std::swap(id_, other.id_);
        std::swap(parent_, other.parent_);
        std::swap(descriptor_, other.descriptor_);
        return *this;
    }
    ~child_process() { kill(); }

    [[nodiscard]] bool exists() const noexcept { return id_ != 0; }
    [[nodiscard]] pid_t id() const noexcept { return id_; }
    /// Readable in poll(2) once the child has ended; -1, which poll skips, when there is none.
    [[nodiscard]] int descriptor() const noexcept { return descriptor_.get(); }

    /// Waits for the end and returns how it ended, for describe_end.
    int wait() noexcept {
        const int status = wait_for(id_);
        id_ = 0;
        descriptor_ = unique_descriptor();
        return status;
    }

private:
    void kill() noexcept {
        if (id_ == 0 || ::getpid() != parent_) return;  // A fork's copy owns nothing.
        ::kill(id_, SIGKILL);
        wait();
    }

    pid_t id_ = 0;
    pid_t parent_ = 0;
    unique_descriptor descriptor_;
};

}  // namespace overlap
