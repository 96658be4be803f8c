// A row of a table: one case on one backend, measured in a process of its own.
#pragma once

#include "bench/harness/session.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace overlap::bench {

/// What can be measured, and all that is known of it before.
struct row {
    std::string name;  ///< "workload/case/backend".
    std::string workload;
    std::string case_name;
    std::string backend;
    std::size_t tasks = 0;       ///< At once or one by one, as the backend does; echo: connections.
    std::size_t work_items = 0;  ///< What `_per_task` figures are divided by; echo: messages.
    const char* unit = "task";   ///< What a work item is called.
    std::size_t iterations = 1;  ///< Runs that a sample's figures are medians of.
    double expected_s = 0;       ///< Of one iteration, roughly; 0: unknown.
    std::string skip;            ///< Why it cannot be measured here, in words; empty: it can.
    std::string language = {};   ///< Of a peer, as its model and its version.
    std::string model = {};
    std::string version = {};
    std::size_t cores = 0;  ///< That it may keep busy, on whatever machines; 0: those of this.
    bool uses_processes = false;  ///< Its memory is spread over processes.
    /// Memory a task can be had as a slope: the case has tasks enough and the backend runs them at
    /// once.
    bool has_memory = false;
    /// In a run for memory its sleeps can be made longer, for all tasks to be in flight at once.
    bool can_stretch = false;
    std::function<void(session&)> body;  ///< Runs in the measuring process.
};

struct measuring_options {
    bool trace = true;
    bool memory = true;
    double timeout_s = 60;    ///< Of one process; longer rows are told as "timeout".
    std::string load_binary;  ///< echo_load.
};

/// What a row came to: an error in words, or figures.
struct outcome {
    std::string error;
    std::vector<double> walls_s;  ///< Of the runs that count.
    counters figures;             ///< Medians over them, and what the first run came to.
    /// Why the load says that rate and latency are not the server's, in words; then they are no
    /// figures. Empty if they are.
    std::string gates = {};
};

/// The most memory that a run with so many tasks had resident.
struct memory_peak {
    double tasks = 0;
    double bytes = 0;
};

/// What a further task takes: the least-squares slope over three sizes, the smallest first. Nothing
/// where that would be noise, or a heap's growth rather than the tasks': memory grows by pages and
/// by whole parts of a heap, and what of that is not in proportion to the tasks bends the line. Each
/// step has to say what the other does within a factor of 2. Peaks that differ by chance alone pass
/// for that in 1 of 16 cases, since the ratio of their second to their first differences is
/// distributed as sqrt(3) times Cauchy's.
std::optional<double> bytes_per_task(const std::array<memory_peak, 3>& peaks);

/// Forks, so the calling process must have one thread. Never throws for what the row does wrong.
outcome measure(const row& what, const measuring_options& options);

}  // namespace overlap::bench
