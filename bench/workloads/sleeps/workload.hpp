// Sleeps as a workload: what is run, and how its results are checked.
#pragma once

#include "bench/harness/backend_rows.hpp"
#include "bench/workloads/sleeps/body.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace overlap::bench {

class sleeps_workload {
public:
    using case_type = sleeps_case;
    static constexpr const char* unit = "task";

    static const std::vector<sleeps_case>& cases(const specification& spec) { return spec.sleeps; }
    static void add_rows(const sleeps_case& spec, const options& chosen, std::vector<row>& into);

    using result = std::int64_t;
    static std::size_t result_count(const sleeps_case& spec) { return spec.tasks; }
    static nlohmann::json to_json(const sleeps_case& spec) {
        nlohmann::json listed = nlohmann::json::array();
        for (const nanoseconds each : spec.listed) listed.push_back(each.count());
        return {{"tasks", spec.tasks},
                {"shortest_ns", spec.shortest.count()},
                {"longest_ns", spec.longest.count()},
                {"seed", std::to_string(spec.seed)},  // Numbers of JSON are exact to 2^53 only.
                {"listed_ns", listed}};
    }
    /// Of long sleeps the first has not ended when the last begins, unless there are very many.
    static std::size_t least_in_flight(const sleeps_case& spec, std::size_t possible) {
        constexpr std::size_t few = 100;
        if (spec.shortest < std::chrono::milliseconds(50)) return 1;
        return spec.tasks <= few ? possible : std::min<std::size_t>(possible, 2);
    }
    static double least_lifetimes_s(const sleeps_case& spec) { return spec.total_delay_s(); }

    static std::size_t work_items(const sleeps_case& spec) { return spec.tasks; }
    static std::size_t tasks(const sleeps_case& spec) { return spec.tasks; }
    static std::size_t flights(const sleeps_case& spec) { return spec.tasks; }

    static double expected_s(const sleeps_case& spec, std::size_t task_limit) {
        const auto seconds = [](nanoseconds time) {
            return static_cast<double>(time.count()) * 1e-9;
        };
        const double longest = seconds(spec.longest);
        if (task_limit >= spec.tasks) return longest;
        return std::max(longest, spec.total_delay_s() / static_cast<double>(task_limit));
    }

    /// Every task and timer, but no time: enough to have memory and caches warm.
    static sleeps_case warm_up(sleeps_case spec) {
        spec.shortest = spec.longest = nanoseconds(0);
        spec.listed.clear();
        return spec;
    }
    static sleeps_case traced(const sleeps_case& spec) { return spec; }
    static sleeps_case cut_down(sleeps_case spec, const weighing& how) {
        spec.tasks = spec.tasks * how.quarters / 4;
        if (!spec.listed.empty()) spec.listed.resize(spec.tasks);
        if (can_stretch(spec)) {
            const std::chrono::duration<double> least(how.least_delay_s);
            spec.longest = std::max(spec.longest, std::chrono::ceil<nanoseconds>(least));
            spec.shortest = spec.longest;
        }
        return spec;
    }
    /// Where all delays are the same, a longer one changes nothing about what a task takes. One of 0
    /// is a yield, and takes no timer.
    static bool can_stretch(const sleeps_case& spec) {
        return spec.listed.empty() && spec.shortest == spec.longest && spec.longest.count() > 0;
    }
    /// Processes live long enough to be weighed only while they sleep.
    static bool can_weigh(const sleeps_case& spec, bool uses_processes) {
        if (uses_processes)
            return spec.tasks >= 8 && spec.shortest >= std::chrono::milliseconds(50);
        return spec.tasks >= least_tasks_to_weigh;
    }

    explicit sleeps_workload(const sleeps_case&) {}

    void begin(session&, const sleeps_case&, std::size_t) {}

    template <class Runtime, class Log>
    auto root(Runtime& runtime, const sleeps_case& spec, Log& log) {
        return sleep_all(runtime, spec, log);
    }

    static counters check(const sleeps_case& spec, const std::vector<std::int64_t>& lateness,
                          double wall_s) {
        if (lateness.size() != spec.tasks) {
            throw wrong_result(std::to_string(lateness.size()) + " of " +
                               std::to_string(spec.tasks) + " tasks completed");
        }
        const auto early = std::count_if(lateness.begin(), lateness.end(),
                                         [](std::int64_t late) { return late < 0; });
        if (early != 0) throw wrong_result(std::to_string(early) + " tasks woke early");
        if (wall_s < static_cast<double>(spec.longest_delay().count()) * 1e-9) {
            throw wrong_result("all tasks were done before the longest sleep could be");
        }
        std::vector<double> seconds(lateness.size());
        std::transform(lateness.begin(), lateness.end(), seconds.begin(),
                       [](std::int64_t late) { return static_cast<double>(late) * 1e-9; });
        return percentiles("lateness", std::move(seconds));
    }
};

/// The main program of bench_sleeps, with the backends of `Extra` (with_loop<my::loop>,
/// with_runtime<my::runtime>) beside the built-in ones. Returns the exit status.
template <class Extra = no_backends>
int run_sleeps(int argc, char** argv) {
    return run_workload<sleeps_workload, Extra>(argc, argv);
}

}  // namespace overlap::bench
