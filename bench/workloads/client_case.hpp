// A case whose tasks are clients of a server: how many at once, and how long the server lets them wait.
#pragma once

#include "bench/cases/case_file.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace overlap::bench {

struct client_case : case_base {
    std::size_t connections = 0;  ///< A task has each.
    std::size_t exchanges = 0;    ///< Of each task.
    nanoseconds delay{};          ///< For which the server waits before it answers.

    [[nodiscard]] std::size_t task_count() const noexcept { return connections; }

    /// `exchanges` is what the workload calls them.
    void read_client(case_reader& reader, const char* exchanges_key) {
        constexpr std::int64_t most_connections = 10'000;
        constexpr std::int64_t most_exchanges = 100'000;  // Their sums are exact as doubles.
        reader.read("connections", connections, 1, most_connections);
        reader.read(exchanges_key, exchanges, 1, most_exchanges);
        reader.mention({"delay_s"});
        if (!reader.has("delay_s")) return;
        const std::string expected = "whole milliseconds, in seconds, as servers count";
        reader.read("delay_s", delay, expected);
        if (delay % std::chrono::milliseconds(1) != nanoseconds(0)) {
            reader.fail("delay_s", expected);
        }
    }

    /// In seconds, with three decimals.
    [[nodiscard]] std::string delay_in_words() const {
        const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(delay).count();
        return std::to_string(ms / 1000) + "." + std::to_string(1000 + ms % 1000).substr(1);
    }
};

}  // namespace overlap::bench
