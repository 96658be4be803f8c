// A case of ping_pong: how many pairs of tasks, and how often they wake each other.
#pragma once

#include "bench/cases/case_file.hpp"

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>

namespace overlap::bench {

struct ping_pong_case : case_base {
    static constexpr const char* workload = "ping_pong";

    std::size_t pairs = 0;
    std::uint32_t rounds = 0;  ///< Of each pair: how often the ball goes to and fro.

    /// Each pair, and the two players of it.
    [[nodiscard]] std::size_t task_count() const noexcept { return 3 * pairs; }

    void read(case_reader& reader) {
        constexpr std::int64_t most_pairs = 1'000'000;
        reader.read("pairs", pairs, 1, most_pairs);
        reader.read("rounds", rounds, 1, most_rounds);
    }

    [[nodiscard]] nlohmann::json to_json() const { return {{"pairs", pairs}, {"rounds", rounds}}; }
};

}  // namespace overlap::bench
