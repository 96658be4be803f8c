// Which limit of the machine says how many kernel threads or processes there can be, in words.
#pragma once

#include <overlap/core/runtime.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <optional>
#include <string>
#include <sys/resource.h>
#include <unistd.h>

namespace overlap {

/// A limit, and how many more tasks it admits.
struct machine_limit {
    std::string words;  ///< The limit with its value, e.g. "RLIMIT_NPROC (ulimit -u) is 96365".
    std::size_t room = unlimited;
};

/// What a thread or process of its own costs a task.
struct task_demand {
    std::size_t memory = 0;         ///< Bytes, the kernel's included.
    std::size_t mappings = 0;       ///< In the address space of the process that runs the tasks.
    std::size_t address_space = 0;  ///< Bytes, in the same address space.
};

namespace detail {

/// The number in a file of one, such as /proc/sys/kernel/pid_max; nothing if there is none (a
/// missing file, or the word "max").
inline std::optional<std::size_t> number_in(const std::string& path) {
    std::ifstream file(path);
    std::size_t value = 0;
    if (file >> value) return value;
    return std::nullopt;
}

/// The number after `key` in a file of "key: value" lines; `base` 16 for capabilities.
inline std::optional<std::uint64_t> number_after(const char* path, std::string_view key,
                                                 int base = 10) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with(key)) return std::stoull(line.substr(key.size()), nullptr, base);
    }
    return std::nullopt;
}

/// Threads on the whole machine: "0.59 0.20 0.10 4/94 7033" has 94 (proc_loadavg(5)).
inline std::size_t threads_on_machine() {
    std::ifstream file("/proc/loadavg");
    std::string word;
    for (int skipped = 0; skipped < 4; ++skipped) file >> word;
    const auto slash = word.find('/');
    return slash == std::string::npos ? 0 : std::stoul(word.substr(slash + 1));
}

/// RLIMIT_NPROC does not bind root or the holders of two capabilities (getrlimit(2)).
inline bool exempt_from_process_limit() {
    constexpr std::uint64_t sys_admin = 1ULL << 21U;
    constexpr std::uint64_t sys_resource = 1ULL << 24U;
    const auto effective = number_after("/proc/self/status", "CapEff:", 16).value_or(0);
    return ::getuid() == 0 || (effective & (sys_admin | sys_resource)) != 0;
}

/// Collects limits and keeps the one with the least room.
class tightest {
public:
    void consider(const std::string& what, std::size_t value, std::size_t used,
                  std::size_t each = 1) {
        if (each == 0) return;
        const std::size_t room = value > used ? (value - used) / each : 0;
        if (room < limit_.room) limit_ = {what + " is " + std::to_string(value), room};
    }
    [[nodiscard]] machine_limit take() { return std::move(limit_); }

private:
    machine_limit limit_{"no limit is known", unlimited};
};

/// pids.max of this process's cgroup and of those above it, in both versions of cgroups.
inline void consider_cgroups(tightest& limits) {
    std::ifstream file("/proc/self/cgroup");
    for (std::string line; std::getline(file, line);) {
        std::string root = "/sys/fs/cgroup";
        if (line.find(":pids:") != std::string::npos) {
            root += "/pids";
        } else if (!line.starts_with("0::")) {
            continue;
        }
        std::string group = line.substr(line.find(":/") + 1);
        for (;; group.resize(group.rfind('/'))) {
            const std::string folder = root + group;
            if (const auto most = number_in(folder + "/pids.max")) {
                const auto used = number_in(folder + "/pids.current").value_or(0);
                limits.consider("pids.max of the cgroup " + (group.empty() ? "/" : group), *most,
                                used);
            }
            if (group.empty()) break;
        }
    }
}

inline void consider_resource(tightest& limits, int resource, const char* what, std::size_t used,
                              std::size_t each = 1) {
    rlimit limit{};
    if (::getrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) return;
    if (limit.rlim_cur != RLIM_INFINITY) limits.consider(what, limit.rlim_cur, used, each);
}

inline std::size_t mappings_of_this_process() {
    std::ifstream maps("/proc/self/maps");
    return static_cast<std::size_t>(std::count(std::istreambuf_iterator<char>(maps), {}, '\n'));
}

}  // namespace detail

/// The limit that admits the fewest more tasks, of those that hold for kernel threads and
/// processes: RLIMIT_NPROC, threads-max, pid_max, a cgroup's pids.max, vm.max_map_count, RLIMIT_AS
/// and free memory. `started` counts the tasks of this user that are known to exist; the kernel
/// tells nobody how many others of theirs count against RLIMIT_NPROC, so its room is an upper
/// bound. Reads a dozen files in /proc: some 0.1 ms.
[[nodiscard]] inline machine_limit tightest_limit(const task_demand& each, std::size_t started) {
    using detail::number_in;
    detail::tightest limits;
    if (!detail::exempt_from_process_limit()) {
        detail::consider_resource(limits, RLIMIT_NPROC, "RLIMIT_NPROC (ulimit -u)", started);
    }
    const std::size_t threads = detail::threads_on_machine();
    if (const auto most = number_in("/proc/sys/kernel/threads-max")) {
        limits.consider("kernel.threads-max", *most, threads);
    }
    if (const auto most = number_in("/proc/sys/kernel/pid_max")) {
        constexpr std::size_t reserved = 300;  // RESERVED_PIDS in the kernel's pid.c.
        limits.consider("kernel.pid_max", *most, threads + reserved);
    }
    detail::consider_cgroups(limits);
    if (each.mappings != 0) {
        const auto most = number_in("/proc/sys/vm/max_map_count").value_or(unlimited);
        limits.consider("vm.max_map_count", most, detail::mappings_of_this_process(),
                        each.mappings);
    }
    if (each.address_space != 0) {
        const auto pages = number_in("/proc/self/statm").value_or(0);
        const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
        detail::consider_resource(limits, RLIMIT_AS, "RLIMIT_AS (ulimit -v, in bytes)",
                                  pages * page, each.address_space);
    }
    if (const auto free = detail::number_after("/proc/meminfo", "MemAvailable:")) {
        limits.consider("free memory in bytes", *free * 1024, 0, each.memory);
    }
    return limits.take();
}

/// Says that task number `started` (counted from 0) of `tasks` could not be started, and why.
/// `what` is the thing that could not be had, `error` the errno value.
[[nodiscard]] inline limit_error limit_met(const char* runtime, const char* what,
                                           std::size_t started, std::size_t tasks, int error,
                                           const task_demand& each) {
    return limit_error(std::string(runtime) + ": " + what + ' ' + std::to_string(started + 1) +
                       " of " + std::to_string(tasks) + " could not be created (" +
                       std::strerror(error) +
                       "); the tightest limit: " + tightest_limit(each, started).words);
}

}  // namespace overlap
