// A case of sleeps: how many tasks, and how long each sleeps.
#pragma once

#include "bench/cases/case_file.hpp"
#include "bench/cases/splitmix64.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace overlap::bench {

struct sleeps_case : case_base {
    static constexpr const char* workload = "sleeps";

    std::size_t tasks = 0;
    nanoseconds shortest{};
    nanoseconds longest{};
    std::uint64_t seed = 0;
    std::vector<nanoseconds> listed;  ///< By task; empty when delays are equal or uniform.

    [[nodiscard]] std::size_t task_count() const noexcept { return tasks; }

    /// How long task `index` sleeps.
    [[nodiscard]] nanoseconds delay(std::size_t index) const noexcept {
        if (!listed.empty()) return listed[index];
        if (shortest == longest) return longest;
        const auto range = static_cast<std::uint64_t>((longest - shortest).count()) + 1;
        return shortest + nanoseconds(static_cast<std::int64_t>(splitmix64(seed + index) % range));
    }
    /// The sum of all delays, in seconds; it may be far more than nanoseconds can count.
    [[nodiscard]] double total_delay_s() const noexcept {
        double sum = 0;
        for (std::size_t i = 0; i < tasks; ++i) sum += static_cast<double>(delay(i).count()) * 1e-9;
        return sum;
    }
    /// The longest delay of any task: `longest` bounds it, and need not be drawn.
    [[nodiscard]] nanoseconds longest_delay() const noexcept {
        nanoseconds most{};
        for (std::size_t i = 0; i < tasks; ++i) most = std::max(most, delay(i));
        return most;
    }

    void read(case_reader& reader) {
        reader.mention({"delays_s", "tasks", "delay_s"});
        if (reader.has("delays_s")) {
            if (reader.has("tasks") || reader.has("delay_s")) {
                reader.fail("delays_s", "either `delays_s`, or `tasks` and `delay_s`");
            }
            reader.read("delays_s", listed);
            tasks = listed.size();
            longest = *std::max_element(listed.begin(), listed.end());
            shortest = *std::min_element(listed.begin(), listed.end());
            return;
        }
        reader.read("tasks", tasks, 1, most_tasks);
        if (auto range = reader.inner("delay_s")) {
            seed = 1;
            range->read("min", shortest);
            range->read("max", longest);
            range->read_optional("seed", seed, 0, std::numeric_limits<std::int64_t>::max());
            range->finish();
            if (shortest > longest) reader.fail("delay_s", "min <= max");
        } else {
            reader.read("delay_s", longest, "seconds, or { min, max, seed }");
            shortest = longest;
        }
    }

    [[nodiscard]] nlohmann::json to_json() const {
        nlohmann::json delays = nlohmann::json::array();
        for (const nanoseconds each : listed) delays.push_back(each.count());
        return {{"tasks", tasks},
                {"shortest_ns", shortest.count()},
                {"longest_ns", longest.count()},
                {"seed", std::to_string(seed)},  // Numbers of JSON are exact to 2^53 only.
                {"listed_ns", delays}};
    }
};

}  // namespace overlap::bench
