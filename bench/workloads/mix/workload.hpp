// Mix as a workload: what is run, and how its results are checked.
#pragma once

#include "bench/harness/backend_rows.hpp"
#include "bench/workloads/mix/body.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace overlap::bench {

class mix_workload {
public:
    using case_type = mix_case;
    static constexpr const char* unit = "task";

    static const std::vector<mix_case>& cases(const specification& spec) { return spec.mix; }
    static void add_rows(const mix_case& spec, const options& chosen, std::vector<row>& into);

    using result = std::uint64_t;
    static std::size_t result_count(const mix_case& spec) { return spec.tasks; }
    static nlohmann::json to_json(const mix_case& spec) {
        return {{"tasks", spec.tasks},
                {"rounds", spec.rounds},
                {"wait_ns", spec.wait.count()},
                {"work", spec.work}};
    }
    static std::size_t least_in_flight(const mix_case&, std::size_t) { return 1; }
    static double least_lifetimes_s(const mix_case& spec) {
        return waiting_s(spec) * static_cast<double>(spec.tasks);
    }

    static std::size_t work_items(const mix_case& spec) { return spec.tasks; }
    static std::size_t tasks(const mix_case& spec) { return spec.tasks; }
    static std::size_t flights(const mix_case& spec) { return spec.tasks; }

    /// The waiting alone: computing is left out, since how long it takes is to be measured.
    static double expected_s(const mix_case& spec, std::size_t task_limit) {
        const std::size_t turns =
            (spec.tasks + task_limit - 1 - (task_limit == unlimited)) / task_limit;
        return waiting_s(spec) * static_cast<double>(std::max<std::size_t>(turns, 1));
    }

    static mix_case warm_up(mix_case spec) {
        spec.wait = nanoseconds(0);
        return spec;
    }
    static mix_case traced(const mix_case& spec) { return spec; }
    static mix_case cut_down(const mix_case& spec, const weighing&) { return spec; }
    /// What matters here is time; memory is for the cases with many tasks.
    static bool can_weigh(const mix_case&, bool) { return false; }

    /// The oracle: what each task must return.
    explicit mix_workload(const mix_case& spec) : expected_(spec.tasks) {
        for (std::size_t i = 0; i < spec.tasks * spec.rounds; ++i) {
            expected_[i / spec.rounds] += leaf_value(i, spec.work);
        }
    }

    void begin(session&, const mix_case&, std::size_t) {}

    template <class Runtime, class Log>
    auto root(Runtime& runtime, const mix_case& spec, Log& log) {
        return mix_all(runtime, spec, log);
    }

    [[nodiscard]] counters check(const mix_case& spec, const std::vector<std::uint64_t>& sums,
                                 double wall_s) const {
        if (sums.size() != spec.tasks) {
            throw wrong_result(std::to_string(sums.size()) + " of " + std::to_string(spec.tasks) +
                               " results");
        }
        const auto differ = std::mismatch(sums.begin(), sums.end(), expected_.begin());
        if (differ.first != sums.end()) {
            throw wrong_result("result " + std::to_string(differ.first - sums.begin()) + " is " +
                               std::to_string(*differ.first) + ", expected " +
                               std::to_string(*differ.second));
        }
        if (wall_s < waiting_s(spec)) {
            throw wrong_result("all tasks were done before one could have waited");
        }
        return {};
    }

private:
    static double waiting_s(const mix_case& spec) {
        return static_cast<double>(spec.wait.count()) * 1e-9 * static_cast<double>(spec.rounds);
    }

    std::vector<std::uint64_t> expected_;
};

/// The main program of bench_mix, with the backends of `Extra` (with_loop<my::loop>,
/// with_runtime<my::runtime>) beside the built-in ones. Returns the exit status.
template <class Extra = no_backends>
int run_mix(int argc, char** argv) {
    return run_workload<mix_workload, Extra>(argc, argv);
}

}  // namespace overlap::bench
