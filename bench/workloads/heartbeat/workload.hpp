// Heartbeat as a workload: what is run, and how its results are checked.
#pragma once

#include "bench/harness/backend_rows.hpp"
#include "bench/workloads/heartbeat/body.hpp"

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace overlap::bench {

class heartbeat_workload {
public:
    using case_type = heartbeat_case;
    static constexpr const char* unit = "task";

    static const std::vector<heartbeat_case>& cases(const specification& spec) {
        return spec.heartbeat;
    }
    static void add_rows(const heartbeat_case& spec, const options& chosen, std::vector<row>& into);

    using result = pulse;
    static std::size_t result_count(const heartbeat_case& spec) { return spec.tasks + 1; }
    static nlohmann::json to_json(const heartbeat_case& spec) {
        return {{"tasks", spec.tasks},
                {"work", spec.work},
                {"parts", spec.parts},
                {"beats", spec.beats},
                {"interval_ns", spec.interval.count()}};
    }
    static std::size_t least_in_flight(const heartbeat_case&, std::size_t) { return 1; }
    static double least_lifetimes_s(const heartbeat_case& spec) { return beating_s(spec); }

    static std::size_t work_items(const heartbeat_case& spec) { return spec.tasks + 1; }
    static std::size_t tasks(const heartbeat_case& spec) { return spec.tasks + 1; }
    static std::size_t flights(const heartbeat_case& spec) { return spec.tasks + 1; }
    static double expected_s(const heartbeat_case& spec, std::size_t) { return beating_s(spec); }

    static heartbeat_case warm_up(heartbeat_case spec) {
        spec.beats = 1;
        spec.parts = 1;
        spec.work /= 100;
        return spec;
    }
    static heartbeat_case traced(const heartbeat_case& spec) { return spec; }
    static heartbeat_case cut_down(const heartbeat_case& spec, const weighing&) { return spec; }
    /// What matters here is time; memory is for the cases with many tasks.
    static bool can_weigh(const heartbeat_case&, bool) { return false; }

    /// The oracle: what each computing task must return, by the number of parts.
    explicit heartbeat_workload(const heartbeat_case& spec)
        : expected_(values_of(spec)), expected_of_warm_up_(values_of(warm_up(spec))) {}

    void begin(session&, const heartbeat_case&, std::size_t) {}

    template <class Runtime, class Log>
    auto root(Runtime& runtime, const heartbeat_case& spec, Log& log) {
        return beat_and_compute(runtime, spec, log);
    }

    [[nodiscard]] counters check(const heartbeat_case& spec, const std::vector<pulse>& pulses,
                                 double wall_s) const {
        const auto& expected = spec.beats == 1 ? expected_of_warm_up_ : expected_;
        if (pulses.size() != spec.tasks + 1) {
            throw wrong_result(std::to_string(pulses.size()) + " of " +
                               std::to_string(spec.tasks + 1) + " results");
        }
        for (std::size_t i = 0; i < spec.tasks; ++i) {
            if (pulses[i + 1].value == expected[i]) continue;
            throw wrong_result("computing task " + std::to_string(i) + " returned " +
                               std::to_string(pulses[i + 1].value) + ", expected " +
                               std::to_string(expected[i]));
        }
        const pulse& heart = pulses.front();
        if (heart.mean_gap < spec.interval.count() || wall_s < beating_s(spec)) {
            throw wrong_result("the heart beat faster than its interval");
        }
        return {{"gap_max_s", static_cast<double>(heart.longest_gap) * 1e-9},
                {"gap_mean_s", static_cast<double>(heart.mean_gap) * 1e-9}};
    }

private:
    static double beating_s(const heartbeat_case& spec) {
        return static_cast<double>(spec.interval.count()) * 1e-9 * static_cast<double>(spec.beats);
    }

    static std::vector<std::uint64_t> values_of(const heartbeat_case& spec) {
        std::vector<std::uint64_t> values(spec.tasks);
        for (std::size_t i = 0; i < spec.tasks * spec.parts; ++i) {
            values[i / spec.parts] += leaf_value(i, spec.work);
        }
        return values;
    }

    std::vector<std::uint64_t> expected_;
    std::vector<std::uint64_t> expected_of_warm_up_;
};

/// The main program of bench_heartbeat, with the backends of `Extra` (with_loop<my::loop>,
/// with_runtime<my::runtime>) beside the built-in ones. Returns the exit status.
template <class Extra = no_backends>
int run_heartbeat(int argc, char** argv) {
    return run_workload<heartbeat_workload, Extra>(argc, argv);
}

}  // namespace overlap::bench
