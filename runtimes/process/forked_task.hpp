// What forking a process for tasks needs and costs.
#pragma once

#include <overlap/core/child_process.hpp>
#include <overlap/core/machine_limits.hpp>
#include <overlap/core/sanitizers.hpp>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>

namespace overlap {

/// What a forked process costs: measured at 95 KB where the parent is small (page tables, a kernel
/// stack, pages copied on their first write).
inline constexpr task_demand process_demand{.memory = 128'000, .mappings = 0, .address_space = 0};

/// Threads of a process that has made none: ThreadSanitizer adds one, which it keeps out of the way
/// of fork(2).
inline constexpr std::uint64_t threads_at_rest = thread_sanitizer ? 2 : 1;

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

/// fork_child() for tasks, which leave Ctrl-C to their parent: a terminal sends SIGINT to both, and the
/// parent's answer is enough.
[[nodiscard]] inline pid_t fork_for_tasks() noexcept {
    const pid_t child = fork_child();
    if (child == 0) {
        std::signal(SIGINT, SIG_IGN);
        std::signal(SIGTERM, SIG_DFL);
    }
    return child;
}

/// "process 1234 was killed by signal 9 (Killed)"; `status` is from waitpid(2).
[[nodiscard]] inline std::string describe_end(pid_t child, int status) {
    const std::string words = describe_end(status);
    return "process " + std::to_string(child) + ' ' + (words.empty() ? "exited with 0" : words);
}

}  // namespace overlap
