// Gather as a workload: what is run, and how its results are checked.
#pragma once

#include "bench/harness/backend_rows.hpp"
#include "bench/workloads/gather/body.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace overlap::bench {

class gather_workload {
public:
    using case_type = gather_case;
    static constexpr const char* unit = "task";

    static const std::vector<gather_case>& cases(const specification& spec) { return spec.gather; }
    static void add_rows(const gather_case& spec, const options& chosen, std::vector<row>& into);

    using result = std::uint64_t;
    static std::size_t result_count(const gather_case& spec) { return spec.fan_out; }
    static nlohmann::json to_json(const gather_case& spec) {
        return {{"fan_out", spec.fan_out}, {"depth", spec.depth}, {"work", spec.work}};
    }
    static std::size_t least_in_flight(const gather_case&, std::size_t) { return 1; }
    static double least_lifetimes_s(const gather_case&) { return 0; }

    static std::size_t work_items(const gather_case& spec) { return spec.tasks(); }
    static std::size_t tasks(const gather_case& spec) { return spec.tasks(); }
    static std::size_t flights(const gather_case& spec) { return spec.tasks(); }
    static double expected_s(const gather_case&, std::size_t) { return 0; }

    static gather_case warm_up(const gather_case& spec) { return spec; }
    static gather_case traced(const gather_case& spec) { return spec; }
    static gather_case cut_down(gather_case spec, const weighing& how) {
        spec.fan_out = spec.fan_out * how.quarters / 4;
        return spec;
    }
    /// A tree does not come in quarters, and processes end too soon to be weighed.
    static bool can_weigh(const gather_case& spec, bool uses_processes) {
        return spec.depth == 1 && spec.fan_out >= least_tasks_to_weigh && !uses_processes;
    }

    /// The oracle: what each child of the root must return.
    explicit gather_workload(const gather_case& spec) : expected_(spec.fan_out) {
        const std::size_t leaves_each = spec.leaves() / spec.fan_out;
        for (std::size_t child = 0; child < spec.fan_out; ++child) {
            for (std::size_t leaf = 0; leaf < leaves_each; ++leaf) {
                expected_[child] += leaf_value(child * leaves_each + leaf, spec.work);
            }
        }
    }

    void begin(session&, const gather_case&, std::size_t) {}

    template <class Runtime, class Log>
    auto root(Runtime& runtime, const gather_case& spec, Log& log) {
        return compute_all(runtime, spec, log);
    }

    [[nodiscard]] counters check(const gather_case& spec, const std::vector<std::uint64_t>& values,
                                 double) const {
        if (values.size() != spec.fan_out) {
            throw wrong_result(std::to_string(values.size()) + " of " +
                               std::to_string(spec.fan_out) + " results");
        }
        const auto differ = std::mismatch(values.begin(), values.end(), expected_.begin());
        if (differ.first != values.end()) {
            throw wrong_result("result " + std::to_string(differ.first - values.begin()) + " is " +
                               std::to_string(*differ.first) + ", expected " +
                               std::to_string(*differ.second));
        }
        return {};
    }

private:
    std::vector<std::uint64_t> expected_;
};

/// The main program of bench_gather, with the backends of `Extra` (with_loop<my::loop>,
/// with_runtime<my::runtime>) beside the built-in ones. Returns the exit status.
template <class Extra = no_backends>
int run_gather(int argc, char** argv) {
    return run_workload<gather_workload, Extra>(argc, argv);
}

}  // namespace overlap::bench
