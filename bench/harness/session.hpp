// What a measured process does with its row: runs it, takes the figures, and writes them home.
#pragma once

#include <overlap/process/process_usage.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <stdexcept>
#include <string>
#include <sys/types.h>
#include <unistd.h>
#include <vector>

namespace overlap::bench {

/// Counters by name: SI units, no prefixes.
using counters = std::map<std::string, double>;

/// A run did not do what its case asks: no number of it may be shown.
class wrong_result : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// What somebody else says (a peer, a plug-in, the kernel), as one short line that can stand in a table
/// or a record: bytes that are no UTF-8 are replaced, control characters are spaces, the rest of a long
/// text is left out.
std::string one_line(const std::string& said);

/// What is asked of the process that a row runs in.
enum class purpose {
    measure,         ///< A warm-up, then the measured iterations.
    measure_trace,   ///< The same, then one more in which each task notes when it was in flight.
    measure_memory,  ///< One run, for the memory it takes at its peak.
};

/// How a case is changed for a run that is for memory.
struct memory_run {
    std::size_t quarters = 4;  ///< Of its tasks, 2 to 4: what it is cut down to.
    double least_delay_s = 0;  ///< Sleeps that are all equal are no shorter than this.
};

/// What echo_load is to send to a server that is measured.
struct server_load {
    std::size_t connections = 0;
    std::size_t messages = 0;  ///< Of each connection.
    std::size_t bytes = 0;     ///< Of each message.
    std::size_t rate = 0;      ///< Messages a second over all connections; 0: a closed loop.
    std::string arrivals;      ///< Of an open loop, as echo_load calls them.
    std::uint32_t work = 0;    ///< Steps of xorshift32 that some messages ask for; 0: none does.
    std::size_t one_in = 0;    ///< How many messages there are for one that does.

    bool operator==(const server_load&) const = default;
};

/// The measuring process's end of the line to the benchmark binary.
class session {
public:
    session(int line, purpose what, const memory_run& how) noexcept
        : line_(line), purpose_(what), memory_(how) {}

    [[nodiscard]] purpose why() const noexcept { return purpose_; }
    [[nodiscard]] const memory_run& memory() const noexcept { return memory_; }

    /// Says that a server listens on `port` for this load, and has so many tasks in flight at once at
    /// most. As many connections have had a reply before one of them ends.
    void ready_for_load(std::uint16_t port, const server_load& load, std::size_t task_limit);

    /// Runs `timed` and reports what that cost, divided by `repeat` where it is a sum. `usage` adds
    /// up what the process and its children have used so far. `figures_of` is given the wall time
    /// in seconds, checks what was done, and returns the counters that only the workload knows.
    /// `label` is "warm_up", "cold", "iteration" or "traced". Returns the wall time of one repetition.
    double run(const std::string& label, std::size_t repeat,
               const std::function<process_usage()>& usage, const std::function<void()>& timed,
               const std::function<counters(double wall_s)>& figures_of);

    /// Reports figures of any other kind.
    void report(const std::string& kind, const counters& figures);

    void report_error(const std::string& words);

private:
    void send(const nlohmann::json& message);

    int line_;
    purpose purpose_;
    memory_run memory_;
};

inline double seconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// All that the calling process and its children have used so far.
inline process_usage usage_so_far() {
    process_usage sum = usage_of(RUSAGE_SELF);
    return sum += usage_of(RUSAGE_CHILDREN);
}

/// The same with `runtime`'s live workers.
template <class Runtime>
process_usage usage_with(const Runtime& runtime) {
    process_usage sum = usage_so_far();
    if constexpr (requires { runtime.children_usage(); }) sum += runtime.children_usage();
    return sum;
}

/// The most memory that a process has had resident so far, in bytes. Throws std::runtime_error if
/// it has ended.
double peak_memory_bytes(pid_t process = ::getpid());

/// Holds this process, and those it forks, to `cores` of the cores it may run on; 0: to all.
void hold_to_cores(std::size_t cores);

}  // namespace overlap::bench
