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

namespace detail {

/// The affinity mask of the calling thread, as many sets as the kernel's mask has. Throws
/// std::system_error where the kernel refuses to say.
inline std::vector<cpu_set_t> affinity_mask() {
    // sched_getaffinity(2) refuses a mask that is smaller than the kernel's with EINVAL.
    for (std::size_t sets = 1;; sets *= 2) {
        std::vector<cpu_set_t> mask(sets);
        if (::sched_getaffinity(0, sets * sizeof(cpu_set_t), mask.data()) == 0) return mask;
        if (errno != EINVAL || sets >= 1024) throw_errno(errno, "sched_getaffinity");
    }
}

}  // namespace detail

/// The cores that the calling thread may run on, at least 1. Goes by the affinity mask, so that
/// `taskset -c 0` holds every runtime to one core; a CPU quota of a cgroup is not looked at. Throws
/// std::system_error where the kernel refuses to say.
[[nodiscard]] inline std::size_t available_cores() {
    const std::vector<cpu_set_t> mask = detail::affinity_mask();
    return static_cast<std::size_t>(CPU_COUNT_S(mask.size() * sizeof(cpu_set_t), mask.data()));
}

/// Holds the calling thread to one of the cores that it may run on, as long as this exists. Where the
/// kernel refuses, it stays free.
class thread_on_core {
public:
    /// To the core of that number among those it may run on, counted from 0.
    explicit thread_on_core(std::size_t number) : before_(detail::affinity_mask()) {
        std::vector<cpu_set_t> one(before_.size());
        for (std::size_t core = 0; core < 8 * bytes(); ++core) {
            if (!CPU_ISSET_S(core, bytes(), before_.data()) || number-- != 0) continue;
            CPU_SET_S(core, bytes(), one.data());
            ::sched_setaffinity(0, bytes(), one.data());
            return;
        }
    }
    thread_on_core(const thread_on_core&) = delete;
    thread_on_core& operator=(const thread_on_core&) = delete;
    ~thread_on_core() { ::sched_setaffinity(0, bytes(), before_.data()); }

private:
    [[nodiscard]] std::size_t bytes() const noexcept { return before_.size() * sizeof(cpu_set_t); }

    std::vector<cpu_set_t> before_;
};

/// Passes `workers` on, or throws std::invalid_argument when there are none. `runtime` is the name
/// to complain under.
[[nodiscard]] inline std::size_t at_least_one_worker(std::size_t workers, const char* runtime) {
    if (workers == 0) throw std::invalid_argument(std::string(runtime) + " needs a worker, got 0");
    return workers;
}

}  // namespace overlap
