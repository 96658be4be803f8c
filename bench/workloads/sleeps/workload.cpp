#include "bench/workloads/sleeps/workload.hpp"

#include "bench/harness/percentiles.hpp"
#include "bench/peers/peer_rows.hpp"

#include <overlap/floor/sleeps.hpp>

#include <algorithm>
#include <chrono>
#include <string>

namespace overlap::bench {

static_assert(workload<sleeps_workload>);

double sleeps_workload::expected_s(const sleeps_case& given, std::size_t task_limit) {
    const double longest = static_cast<double>(given.longest.count()) * 1e-9;
    if (task_limit >= given.tasks) return longest;
    return std::max(longest, given.total_delay_s() / static_cast<double>(task_limit));
}

/// Of long sleeps the first has not ended when the last begins, unless there are very many.
std::size_t sleeps_workload::least_in_flight(const sleeps_case& given, std::size_t possible) {
    constexpr std::size_t few = 100;
    if (given.shortest < std::chrono::milliseconds(50)) return 1;
    return given.tasks <= few ? possible : std::min<std::size_t>(possible, 2);
}

/// Every task and timer, but no time: enough to have memory and caches warm.
sleeps_case sleeps_workload::warm_up(sleeps_case given) {
    given.shortest = given.longest = nanoseconds(0);
    given.listed.clear();
    return given;
}

/// Processes live long enough for it only while they sleep.
bool sleeps_workload::has_memory(const sleeps_case& given, bool uses_processes) {
    if (uses_processes) return given.tasks >= 8 && given.shortest >= std::chrono::milliseconds(50);
    return given.tasks >= least_tasks_for_memory;
}

sleeps_case sleeps_workload::for_memory(sleeps_case given, const memory_run& how) {
    given.tasks = given.tasks * how.quarters / 4;
    if (!given.listed.empty()) given.listed.resize(given.tasks);
    if (can_stretch(given)) {
        const std::chrono::duration<double> least(how.least_delay_s);
        given.longest = std::max(given.longest, std::chrono::ceil<nanoseconds>(least));
        given.shortest = given.longest;
    }
    return given;
}

/// Where all delays are the same, a longer one changes nothing about what a task takes. One of 0 is
/// a yield, and takes no timer.
bool sleeps_workload::can_stretch(const sleeps_case& given) {
    return given.listed.empty() && given.shortest == given.longest && given.longest.count() > 0;
}

counters sleeps_workload::check(const sleeps_case& given, std::uint32_t,
                                const std::vector<std::int64_t>& lateness, double wall_s) {
    const auto early =
        std::count_if(lateness.begin(), lateness.end(), [](std::int64_t late) { return late < 0; });
    if (early != 0) throw wrong_result(std::to_string(early) + " tasks woke early");
    if (wall_s < static_cast<double>(given.longest_delay().count()) * 1e-9) {
        throw wrong_result("all tasks were done before the longest sleep could be");
    }
    const auto found = percentiles("lateness", lateness);
    return {found.begin(), found.end()};
}

void sleeps_workload::add_rows(const sleeps_case& given, const options& chosen,
                               std::vector<row>& into) {
    add_floor_row<sleeps_workload>(
        given, {"floor", "", {}}, chosen, into, [](auto&, const sleeps_case& which, std::uint32_t) {
            return floor::sleeps(which.tasks, [&](std::size_t i) { return which.delay(i); });
        });
    add_all_rows<sleeps_workload>(given, chosen, into);
}

}  // namespace overlap::bench
