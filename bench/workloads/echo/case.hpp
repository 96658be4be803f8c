// A case of echo: what comes over how many connections.
#pragma once

#include "bench/workloads/load_case.hpp"

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

namespace overlap::bench {

struct echo_case : load_case {
    static constexpr const char* workload = "echo";

    nanoseconds deadline{};  ///< Of each read, from its call; 0: none.

    void read(case_reader& reader) {
        read_load(reader);
        reader.mention({"deadline_s"});
        if (reader.has("deadline_s")) read_deadline(reader);
    }

    /// One that comes ends the run, and measures nothing.
    void read_deadline(case_reader& reader) {
        constexpr std::chrono::seconds least{1};
        const std::string expected = "1 to 3,600 seconds, which no read takes";
        reader.read("deadline_s", deadline, expected);
        if (deadline < least) reader.fail("deadline_s", expected);
    }

    [[nodiscard]] nlohmann::json to_json() const {
        nlohmann::json told = {{"connections", connections}, {"buffer_bytes", buffer_size()}};
        if (deadline != nanoseconds(0)) told["deadline_ns"] = deadline.count();
        return told;
    }
};

}  // namespace overlap::bench
