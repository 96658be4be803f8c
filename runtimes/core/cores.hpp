// How many cores there are to keep busy, and how many workers a runtime is made with.
#pragma once

#include <overlap/core/error.hpp>

#include <cerrno>
#include <cstddef>
#include <sched.h>
#include <stdexcept>
#include <string>
#include <vector>

namespace overlap {

/// The cores that the calling thread may run on, at least 1. Goes by the affinity mask, so that
/// `taskset -c 0` holds every runtime to one core; a CPU quota of a cgroup is not looked at. Throws
/// std::system_error where the kernel refuses to say.
[[nodiscard]] inline std::size_t available_cores() {
    // sched_getaffinity(2) refuses a mask that is smaller than the kernel's with EINVAL.
    for (std::size_t sets = 1;; sets *= 2) {
        std::vector<cpu_set_t> mask(sets);
        const std::size_t bytes = sets * sizeof(cpu_set_t);
        if (::sched_getaffinity(0, bytes, mask.data()) == 0) {
            return static_cast<std::size_t>(CPU_COUNT_S(bytes, mask.data()));
        }
        if (errno != EINVAL || sets >= 1024) throw_errno(errno, "sched_getaffinity");
    }
}

/// Passes `workers` on, or throws std::invalid_argument when there are none. `runtime` is the name
/// to complain under.
[[nodiscard]] inline std::size_t at_least_one_worker(std::size_t workers, const char* runtime) {
    if (workers == 0) throw std::invalid_argument(std::string(runtime) + " needs a worker, got 0");
    return workers;
}

}  // namespace overlap
