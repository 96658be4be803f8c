// A case of fetch: how many documents come over how many connections, and how long each takes the server.
#pragma once

#include "bench/cases/case_file.hpp"
#include "bench/cases/splitmix64.hpp"
#include "bench/harness/http_server.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace overlap::bench {

struct fetch_case : case_base {
    static constexpr const char* workload = "fetch";
    static constexpr std::size_t items = 1000;  ///< Documents that the server has.

    std::size_t connections = 0;
    std::size_t requests = 0;  ///< Of each task.
    nanoseconds delay{};       ///< For which the server waits before it answers.
    std::string connection = "kept";
    http_server server{};  ///< No key: the program is told.

    [[nodiscard]] std::size_t task_count() const noexcept { return connections; }
    [[nodiscard]] bool keeps() const noexcept { return connection == "kept"; }

    /// The document that request `index` of a run is for.
    [[nodiscard]] static std::size_t item(std::uint32_t seed, std::size_t index) noexcept {
        return splitmix64(seed + index) % items;
    }
    [[nodiscard]] std::string path(std::size_t item) const {
        return path_before_item() + std::to_string(item);
    }
    [[nodiscard]] std::string path_before_item() const {
        if (delay == nanoseconds(0)) return "/items/";
        const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(delay).count();
        const std::string fraction = std::to_string(1000 + ms % 1000).substr(1);
        return "/after/" + std::to_string(ms / 1000) + "." + fraction + "/items/";
    }

    void read(case_reader& reader) {
        constexpr std::int64_t most_connections = 10'000;
        constexpr std::int64_t most_requests = 100'000;  // Their sums are exact as doubles.
        reader.read("connections", connections, 1, most_connections);
        reader.read("requests", requests, 1, most_requests);
        reader.mention({"delay_s"});
        if (reader.has("delay_s")) {
            const std::string expected = "whole milliseconds, in seconds, as the server counts";
            reader.read("delay_s", delay, expected);
            if (delay % std::chrono::milliseconds(1) != nanoseconds(0)) {
                reader.fail("delay_s", expected);
            }
        }
        reader.read_optional("connection", connection, {"kept", "new"});
    }

    [[nodiscard]] nlohmann::json to_json() const {
        return {{"connections", connections},
                {"requests", requests},
                {"kept", keeps()},
                {"url", server.url + path_before_item()},
                {"delay_ns", delay.count()},
                {"items", items}};
    }
};

}  // namespace overlap::bench
