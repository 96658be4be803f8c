// A case of serve: what comes over how many connections, and how much some of it asks for.
#pragma once

#include "bench/workloads/load_case.hpp"

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>

namespace overlap::bench {

struct serve_case : load_case {
    static constexpr const char* workload = "serve";

    std::uint32_t work = 0;    ///< Steps of xorshift32 that a message asks for, if it asks for any.
    std::size_t one_in = 100;  ///< How many messages there are for one that does, on average.

    void read(case_reader& reader) {
        constexpr std::int64_t least_bytes = 8;
        reader.read("rate", rate, 1, most_rate);
        read_load(reader);
        if (bytes < least_bytes) reader.fail("bytes", "8 or more: two numbers of 32 bits");
        reader.read("work", work, 1, most_work);
        reader.read_optional("one_in", one_in, 2, most_tasks);
    }

    [[nodiscard]] nlohmann::json to_json() const {
        return {{"connections", connections}, {"bytes", bytes}};
    }
};

}  // namespace overlap::bench
