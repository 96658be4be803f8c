// The CPU time of processes, read from outside.
#pragma once

#include <sys/types.h>

namespace overlap::bench {

/// What processes have used, in seconds.
struct cpu_time {
    double alive_s = 0;  ///< Those that are alive (clock_getcpuclockid(3), to the nanosecond).
    double ended_s = 0;  ///< Those that have ended (proc(5), to the tick).
    [[nodiscard]] double sum() const noexcept { return alive_s + ended_s; }
    cpu_time& operator+=(const cpu_time& other) noexcept;
};

/// From `before` on, and by how much that may be rounded: not at all unless a process has ended since.
struct cpu_used {
    double used_s = 0;
    double rounded_s = 0;
};
cpu_used cpu_since(const cpu_time& before, const cpu_time& now) noexcept;

/// Of one live process and of the children that it has waited for; nothing when it has just ended.
cpu_time cpu_of(pid_t pid);

/// Of a process, its live descendants and those that have been waited for.
cpu_time cpu_of_tree(pid_t root);

}  // namespace overlap::bench
