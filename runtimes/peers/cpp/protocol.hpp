// The peers' end of the protocol, for those in C++ and C: ../README.md has it line for line.
#pragma once

#include "cases.h"
#include "flights.h"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <span>
#include <string>

/// Asked for a workload that is not here.
struct no_workload {};

/// The workloads on one runtime. Each function does one whole gather and returns when its last task
/// has ended; each task writes its result into its own place of the span, which has one for every
/// task (gather_tree: for every child of the root). `log` is nullptr in runs that are not traced. A
/// std::exception that they throw ends the program, and is told as an error.
class workloads {
public:
    virtual ~workloads() = default;
    workloads() = default;
    workloads(const workloads&) = delete;
    workloads& operator=(const workloads&) = delete;

    virtual void sleeps(const sleeps_case& spec, std::span<std::int64_t> late_ns,
                        flight_log* log) = 0;
    virtual void gather_tree(const gather_case& spec, std::span<std::uint64_t> values,
                             flight_log* log) = 0;
    virtual void heartbeat(const heartbeat_case& spec, std::span<pulse> pulses,
                           flight_log* log) = 0;
    virtual void mix(const mix_case& spec, std::span<std::uint64_t> sums, flight_log* log) = 0;

    /// Comes before each echo, and is not timed. Returns the port on 127.0.0.1.
    virtual std::uint16_t listen() = 0;
    virtual void echo(const echo_case& spec, std::span<std::uint64_t> echoed, flight_log* log) = 0;

    /// Whether echo keeps `deadline_ns`.
    [[nodiscard]] virtual bool has_deadlines() const { return false; }
    /// What a runtime has nothing for, it leaves as it is here: throws no_workload.
    virtual cancelled_tasks cancel(const cancel_case& spec, flight_log* log);
    virtual void channel(const channel_case& spec, std::span<traffic> tasks, flight_log* log);
    virtual void ping_pong(const ping_pong_case& spec, std::span<std::uint64_t> states,
                           flight_log* log);
};

/// Says that the machine does not let the runtime have so many tasks, and ends the program without
/// waiting for those that it has. Any thread may call it.
[[noreturn]] void tell_limit(const std::string& words);

/// Says what went wrong, and ends the program in the same way. Any thread may call it: an error that
/// would have to pass tasks that wait is better told where it is.
[[noreturn]] void tell_error(const std::string& words);

/// task(index), without letting an exception through: who runs the task could not pass it on, or not
/// before tasks that may not end.
template <class Task>
auto run_or_tell(const Task& task, std::size_t index) {
    try {
        return task(index);
    } catch (const std::exception& error) {
        tell_error(error.what());
    }
}

/// Connections that the kernel holds until they are accepted.
constexpr int most_waiting = 4096;

/// Says hello and answers requests until there are no more. Returns the program's exit status.
int serve(workloads& peer, const std::string& version,
          std::optional<std::size_t> task_limit = std::nullopt);
