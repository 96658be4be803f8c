#include "bench/harness/process_cpu.hpp"

#include "bench/harness/child.hpp"

#include <algorithm>
#include <cstddef>
#include <ctime>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <unistd.h>
#include <vector>

namespace overlap::bench {

cpu_time& cpu_time::operator+=(const cpu_time& other) noexcept {
    alive_s += other.alive_s;
    ended_s += other.ended_s;
    return *this;
}

cpu_used cpu_since(const cpu_time& before, const cpu_time& now) noexcept {
    // User and system time each are rounded down (proc(5)).
    const double two_ticks = 2 / static_cast<double>(::sysconf(_SC_CLK_TCK));
    const bool some_ended = now.ended_s != before.ended_s || now.alive_s < before.alive_s;
    return {now.sum() - before.sum(), some_ended ? two_ticks : 0};
}

cpu_time cpu_of(pid_t pid) {
    clockid_t own = 0;
    timespec used{};
    if (::clock_getcpuclockid(pid, &own) != 0 || ::clock_gettime(own, &used) != 0) return {};
    cpu_time found;
    found.alive_s = static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
    // proc(5): cutime and cstime are the 14th and 15th field after the name in parentheses.
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    const std::string stat{std::istreambuf_iterator<char>(file), {}};
    std::istringstream fields(stat.substr(std::min(stat.rfind(')') + 1, stat.size())));
    std::vector<std::string> words{std::istream_iterator<std::string>(fields), {}};
    constexpr std::size_t cutime = 13;
    if (words.size() > cutime + 1) {
        found.ended_s = (std::stod(words[cutime]) + std::stod(words[cutime + 1])) /
                        static_cast<double>(::sysconf(_SC_CLK_TCK));
    }
    return found;
}

cpu_time cpu_of_tree(pid_t root) {
    cpu_time sum;
    for (const pid_t process : tree_of(root)) sum += cpu_of(process);
    return sum;
}

}  // namespace overlap::bench
