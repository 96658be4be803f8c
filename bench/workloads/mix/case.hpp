// A case of mix: how long tasks wait and how much they compute in turn.
#pragma once

#include "bench/cases/case_file.hpp"

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>

namespace overlap::bench {

struct mix_case : case_base {
    static constexpr const char* workload = "mix";

    std::size_t tasks = 0;
    std::size_t rounds = 1;
    nanoseconds wait{};      ///< Of each round.
    std::uint32_t work = 0;  ///< Steps of xorshift32 of each round.

    [[nodiscard]] std::size_t task_count() const noexcept { return tasks; }

    /// What one task waits, in all of its rounds.
    [[nodiscard]] double waiting_s() const noexcept {
        return static_cast<double>(wait.count()) * 1e-9 * static_cast<double>(rounds);
    }

    void read(case_reader& reader) {
        reader.read("tasks", tasks, 1, most_tasks);
        reader.read_optional("rounds", rounds, 1, most_rounds);
        reader.read("wait_s", wait);
        reader.read("work", work, 0, most_work);
    }

    [[nodiscard]] nlohmann::json to_json() const {
        return {{"tasks", tasks}, {"rounds", rounds}, {"wait_ns", wait.count()}, {"work", work}};
    }
};

}  // namespace overlap::bench
