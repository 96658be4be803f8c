#include "bench/workloads/cancel/workload.hpp"

#include "bench/peers/peer_rows.hpp"

#include <overlap/core/sanitizers.hpp>

#include <algorithm>
#include <fstream>
#include <string>
#include <unistd.h>

namespace overlap::bench {

static_assert(workload<cancel_workload>);

namespace {

double resident_bytes() {
    std::ifstream pages("/proc/self/statm");
    double all = 0;
    double resident = 0;
    pages >> all >> resident;
    return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

bool cancel_workload::has_memory(const cancel_case& given, bool uses_processes) {
    return given.tasks >= least_tasks_for_memory && !uses_processes;
}

cancel_case cancel_workload::for_memory(cancel_case given, const memory_run& how) {
    given.tasks = given.tasks * how.quarters / 4;
    return given;
}

/// Every run but the first leaves no more memory in use than the first did. Pools keep what they have;
/// a task whose memory is lost takes a hundred bytes. What a trace notes takes memory of its own.
counters cancel_workload::check(const cancel_case& given, std::uint32_t,
                                const std::vector<std::int64_t>& results, double) {
    const auto tasks = static_cast<double>(given.tasks);
    const auto expect = [&](std::int64_t seen, std::size_t expected, const std::string& what) {
        if (seen == static_cast<std::int64_t>(expected)) return;
        throw wrong_result(std::to_string(seen) + " " + what + ", expected " +
                           std::to_string(expected));
    };
    expect(results[0], given.tasks, "tasks cleaned up");
    expect(results[1], 0, "tasks woke though they were cancelled");
    expect(results[2], 1, "joins were told of the cancelling");
    const double now_bytes = resident_bytes();
    if (held_bytes_ == 0) held_bytes_ = now_bytes;
    const double more_bytes = std::max(now_bytes - held_bytes_, 0.0);
    constexpr double slack_bytes = 1 << 20;
    constexpr double slack_bytes_per_task = 4;
    if (!sanitized && !is_traced_ && more_bytes > slack_bytes + slack_bytes_per_task * tasks) {
        throw wrong_result("a run left " + std::to_string(more_bytes / tasks) +
                           " bytes a task in use");
    }
    return {{"cancel_per_task_s", static_cast<double>(results[3]) * 1e-9 / tasks}};
}

void cancel_workload::add_rows(const cancel_case& given, const options& chosen,
                               std::vector<row>& into) {
    add_all_rows<cancel_workload>(given, chosen, into);
}

}  // namespace overlap::bench
