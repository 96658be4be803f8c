#include "bench/gather.hpp"
#include "bench/measure_backend.hpp"
#include "bench/suite.hpp"

#include <overlap/core/cores.hpp>
#include <overlap/floor/gather.hpp>

#include <algorithm>

namespace overlap::bench {

namespace {

class gather_workload {
public:
    using case_type = gather_case;
    static constexpr const char* unit = "task";

    static std::size_t work_items(const gather_case& spec) { return spec.tasks(); }
    static std::size_t tasks(const gather_case& spec) { return spec.tasks(); }
    static std::size_t flights(const gather_case& spec) { return spec.tasks(); }
    static double expected_s(const gather_case&, std::size_t) { return 0; }

    static gather_case warm_up(const gather_case& spec) { return spec; }
    static gather_case traced(const gather_case& spec) { return spec; }
    static gather_case cut_down(gather_case spec, std::size_t quarters) {
        spec.fan_out = spec.fan_out * quarters / 4;
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

    void begin(session&, const gather_case&) {}

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

/// Work from which a thread more is worth its start, which takes some tens of microseconds.
constexpr std::uint64_t steps_worth_a_thread = 1'000'000;

row floor_row(const gather_case& spec) {
    row made = plain_row<gather_workload>(spec, "floor");
    made.can_weigh = gather_workload::can_weigh(spec, false);
    made.body = floor_body_of<gather_workload>(spec, [](auto&, const gather_case& which) {
        const auto leaf = [&](std::size_t index) { return leaf_value(index, which.work); };
        const bool threads_pay = which.leaves() * which.work >= steps_worth_a_thread;
        const std::size_t threads = threads_pay ? available_cores() : 1;
        if (which.depth == 1) return floor::gather(which.fan_out, leaf, threads);
        const auto branch = [&](std::size_t index) {
            return floor::sum_tree(which.fan_out, which.depth - 1, index, leaf);
        };
        return floor::gather(which.fan_out, branch, threads);
    });
    return made;
}

std::vector<row> make_rows(const specification& spec, const options& chosen) {
    std::vector<row> rows;
    for (const auto& each : spec.gather) {
        if (chosen.wants("", "floor")) rows.push_back(floor_row(each));
        add_backend_rows<gather_workload>(each, chosen, rows);
    }
    return rows;
}

}  // namespace

}  // namespace overlap::bench

int main(int argc, char** argv) {
    using namespace overlap::bench;
    return run_suite(argc, argv, gather_case::workload, make_rows);
}
