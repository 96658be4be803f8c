// A case of gather: the shape of a tree of tasks, and the work of its leaves.
#pragma once

#include "bench/cases/case_file.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace overlap::bench {

struct gather_case : case_base {
    static constexpr const char* workload = "gather";

    std::size_t fan_out = 0;
    std::size_t depth = 1;         ///< Levels of gathers; the leaves are below the last.
    std::uint32_t work = 0;        ///< Steps of xorshift32 a leaf.
    std::uint32_t skew = 1;        ///< How many times as much work the first leaves have.
    std::size_t heavy_leaves = 0;  ///< How many of them there are: an eighth, where work is skewed.

    [[nodiscard]] std::size_t leaves() const noexcept {
        std::size_t count = 1;
        for (std::size_t level = 0; level < depth; ++level) count *= fan_out;
        return count;
    }
    [[nodiscard]] std::uint32_t work_of(std::size_t leaf) const noexcept {
        return leaf < heavy_leaves ? work * skew : work;
    }
    /// Leaves and inner tasks, without the root.
    [[nodiscard]] std::size_t task_count() const noexcept {
        std::size_t level_count = 1;
        std::size_t sum = 0;
        for (std::size_t level = 0; level < depth; ++level) {
            level_count *= fan_out;
            sum += level_count;
        }
        return sum;
    }

    /// To be called when the shape has changed.
    void count_heavy_leaves() noexcept { heavy_leaves = skew == 1 ? 0 : leaves() / 8; }

    void read(case_reader& reader) {
        reader.read("fan_out", fan_out, 1, most_tasks);
        reader.read_optional("depth", depth, 1, 64);
        reader.read_optional("work", work, 0, most_work);
        reader.read_optional("skew", skew, 1, work == 0 ? 1 : most_work / work);
        reader.read_optional("repeat", repeat, 1, most_rounds);
        const double count = std::pow(static_cast<double>(fan_out), static_cast<double>(depth));
        if (count > static_cast<double>(most_tasks)) {
            reader.fail("fan_out",
                        "fan_out ^ depth to be at most " + std::to_string(most_tasks) + " leaves");
        }
        count_heavy_leaves();
        if (skew > 1 && heavy_leaves == 0) {
            reader.fail("skew", "at least 8 leaves, of which an eighth has more work");
        }
    }

    [[nodiscard]] nlohmann::json to_json() const {
        return {{"fan_out", fan_out},
                {"depth", depth},
                {"work", work},
                {"heavy_leaves", heavy_leaves},
                {"heavy_work", work * skew}};
    }
};

}  // namespace overlap::bench
