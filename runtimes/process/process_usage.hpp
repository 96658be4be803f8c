// What processes have cost so far, in the terms of getrusage(2).
#pragma once

#include <sys/resource.h>

namespace overlap {

/// Of a process, or of several together. A harness that wants the whole cost of a runtime adds
/// RUSAGE_SELF, RUSAGE_CHILDREN (those that have been waited for) and the runtime's
/// children_usage() (those that have not), and takes the difference of two such sums.
struct process_usage {
    double user_s = 0;
    double system_s = 0;
    long voluntary_switches = 0;
    long involuntary_switches = 0;

    process_usage& operator+=(const process_usage& other) noexcept {
        user_s += other.user_s;
        system_s += other.system_s;
        voluntary_switches += other.voluntary_switches;
        involuntary_switches += other.involuntary_switches;
        return *this;
    }
};

/// `who` is RUSAGE_SELF, RUSAGE_CHILDREN or RUSAGE_THREAD.
[[nodiscard]] inline process_usage usage_of(int who) noexcept {
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
    };
    rusage used{};
    ::getrusage(static_cast<__rusage_who>(who), &used);
    return {seconds(used.ru_utime), seconds(used.ru_stime), used.ru_nvcsw, used.ru_nivcsw};
}

}  // namespace overlap
