// A case of query: how many queries go over how many connections, and how long each takes the server.
#pragma once

#include "bench/cases/splitmix64.hpp"
#include "bench/harness/servers.hpp"
#include "bench/workloads/client_case.hpp"

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace overlap::bench {

struct query_case : client_case {
    static constexpr const char* workload = "query";
    static constexpr std::size_t accounts = 100'000;  ///< Rows of the table, with keys from 1 on.

    postgresql_server server{};  ///< No key: the program is told.

    /// The key that query `index` of a run asks for.
    [[nodiscard]] static std::size_t key(std::uint32_t seed, std::size_t index) noexcept {
        return splitmix64(seed + index) % accounts + 1;
    }
    /// What the account of this key has.
    [[nodiscard]] static std::uint64_t balance(std::uint64_t key) noexcept {
        constexpr std::uint64_t factor = 2'654'435'761;
        constexpr std::uint64_t prime = 2'147'483'647;
        return key * factor % prime;
    }
    [[nodiscard]] std::string statement() const {
        const std::string sleep =
            delay == nanoseconds(0) ? "" : ", pg_sleep(" + delay_in_words() + ")";
        return "SELECT abalance FROM pgbench_accounts" + sleep + " WHERE aid = $1";
    }

    void read(case_reader& reader) { read_client(reader, "queries"); }

    [[nodiscard]] nlohmann::json to_json() const {
        return {{"connections", connections}, {"queries", exchanges}, {"server", server.name},
                {"statement", statement()},   {"accounts", accounts}, {"delay_ns", delay.count()}};
    }
};

}  // namespace overlap::bench
