// A case of heartbeat: how long one task beats, and what the others compute meanwhile.
#pragma once

#include "bench/cases/case_file.hpp"

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>

namespace overlap::bench {

struct heartbeat_case : case_base {
    static constexpr const char* workload = "heartbeat";

    std::size_t tasks = 0;   ///< That compute, beside the one that beats.
    std::uint32_t work = 0;  ///< Steps of xorshift32 a part.
    std::size_t parts = 1;   ///< A computing task yields before each.
    std::size_t beats = 0;
    nanoseconds interval{};  ///< Between beats.

    [[nodiscard]] std::size_t task_count() const noexcept { return tasks + 1; }

    /// All intervals together.
    [[nodiscard]] double beating_s() const noexcept {
        return static_cast<double>(interval.count()) * 1e-9 * static_cast<double>(beats);
    }

    void read(case_reader& reader) {
        reader.read("tasks", tasks, 1, most_tasks);
        reader.read("work", work, 0, most_work);
        reader.read_optional("parts", parts, 1, most_rounds);
        reader.read("beats", beats, 1, most_rounds);
        reader.read("interval_s", interval);
    }

    [[nodiscard]] nlohmann::json to_json() const {
        return {{"tasks", tasks},
                {"work", work},
                {"parts", parts},
                {"beats", beats},
                {"interval_ns", interval.count()}};
    }
};

}  // namespace overlap::bench
