// A case of channel: who pushes how much through what, and who pops it.
#pragma once

#include "bench/cases/case_file.hpp"

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>

namespace overlap::bench {

struct channel_case : case_base {
    static constexpr const char* workload = "channel";

    std::size_t producers = 1;
    std::size_t consumers = 1;
    std::size_t elements = 0;  ///< Of each producer.
    std::size_t capacity = 0;
    nanoseconds slow{};  ///< How long consumer 0 sleeps after each element.

    [[nodiscard]] std::size_t task_count() const noexcept { return producers + consumers; }
    [[nodiscard]] std::size_t all_elements() const noexcept { return producers * elements; }

    /// What consumer 0 sleeps at least.
    [[nodiscard]] double sleeping_s() const noexcept {
        const auto each_s = static_cast<double>(slow.count()) * 1e-9;
        return consumers == 1 ? each_s * static_cast<double>(all_elements()) : 0;
    }

    void read(case_reader& reader) {
        constexpr std::int64_t most_ends = 10'000;
        reader.read_optional("producers", producers, 1, most_ends);
        reader.read_optional("consumers", consumers, 1, most_ends);
        reader.read("elements", elements, 1, most_tasks);
        reader.read("capacity", capacity, 1, most_rounds);
        if (reader.has("slow_s")) reader.read("slow_s", slow);
    }

    [[nodiscard]] nlohmann::json to_json() const {
        return {{"producers", producers},
                {"consumers", consumers},
                {"elements", elements},
                {"capacity", capacity},
                {"slow_ns", slow.count()}};
    }
};

}  // namespace overlap::bench
