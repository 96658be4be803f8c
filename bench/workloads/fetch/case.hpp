// A case of fetch: how many documents come over how many connections, and how long each takes the server.
#pragma once

#include "bench/cases/splitmix64.hpp"
#include "bench/harness/servers.hpp"
#include "bench/workloads/client_case.hpp"

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace overlap::bench {

struct fetch_case : client_case {
    static constexpr const char* workload = "fetch";
    static constexpr std::size_t items = 1000;  ///< Documents that the server has.

    std::string connection = "kept";
    http_server server{};  ///< No key: the program is told.

    [[nodiscard]] bool keeps() const noexcept { return connection == "kept"; }

    /// The document that request `index` of a run is for.
    [[nodiscard]] static std::size_t item(std::uint32_t seed, std::size_t index) noexcept {
        return splitmix64(seed + index) % items;
    }
    [[nodiscard]] std::string path(std::size_t item) const {
        return path_before_item() + std::to_string(item);
    }
    [[nodiscard]] std::string path_before_item() const {
        return delay == nanoseconds(0) ? "/items/" : "/after/" + delay_in_words() + "/items/";
    }

    void read(case_reader& reader) {
        read_client(reader, "requests");
        reader.read_optional("connection", connection, {"kept", "new"});
    }

    [[nodiscard]] nlohmann::json to_json() const {
        return {{"connections", connections},
                {"requests", exchanges},
                {"kept", keeps()},
                {"url", server.name + path_before_item()},
                {"delay_ns", delay.count()},
                {"items", items}};
    }
};

}  // namespace overlap::bench
