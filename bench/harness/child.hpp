// A forked process that reports in lines of JSON, and does not outlive us.
#pragma once

#include "bench/harness/session.hpp"

#include <overlap/core/child_process.hpp>
#include <overlap/core/socket.hpp>

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <sys/types.h>
#include <vector>

namespace overlap::bench {

using clock = std::chrono::steady_clock;

/// Nothing came in time.
class timed_out : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Runs a function in a forked process, in a process group of its own. The destructor kills it and all
/// that it has started. The calling process must have one thread, and no other children by then.
class child {
public:
    /// Exceptions of `body` become a message of kind "error". What it prints goes to standard error,
    /// for standard output has the rows.
    child(purpose why, const memory_run& how, const std::function<void(session&)>& body);
    child(const child&) = delete;
    child& operator=(const child&) = delete;
    ~child();

    /// The next message, or nothing when there will be no more. Waits until `deadline`, and then
    /// throws timed_out. `meanwhile` is called every few milliseconds while waiting.
    std::optional<nlohmann::json> receive(clock::time_point deadline,
                                          const std::function<void()>& meanwhile = {});

    /// How the process ended, in words as from describe_end: "" for a plain exit. One that has said
    /// its last and does not end is killed.
    std::string end();

    [[nodiscard]] pid_t pid() const noexcept { return process_.id(); }

private:
    unique_descriptor line_;
    child_process process_;
    std::string received_;
};

/// A program started with its output piped to us, and killed with us.
class program {
public:
    /// `arguments` begin with the program's path. Throws std::system_error.
    explicit program(const std::vector<std::string>& arguments);

    struct result {
        int status = 0;  ///< As waitpid(2) gives it.
        std::string output;
        std::string errors;
    };

    /// Waits for the end, until `deadline`; then throws timed_out.
    result finish(clock::time_point deadline);

private:
    child_process process_;
    unique_descriptor output_;
    unique_descriptor errors_;
};

/// A process and all its descendants, as far as they have not ended.
std::vector<pid_t> tree_of(pid_t root);

/// From now on, what descends from this process stays its descendant: who loses their parent become
/// its children (PR_SET_CHILD_SUBREAPER in prctl(2)), in whatever session or group they are.
void adopt_orphans();

/// Kills all descendants of this process, which has to adopt_orphans() before they are started, and
/// waits for them. Those that it may not kill are left.
void end_descendants();

/// The memory of a process and all its descendants in bytes, each shared page divided among those
/// that share it: the sum of Pss in /proc/<pid>/smaps_rollup (proc(5)).
double tree_memory_bytes(pid_t root);

}  // namespace overlap::bench
