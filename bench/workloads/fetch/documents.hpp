// What the server's documents say, as a client reads it and as the oracle knows it.
#pragma once

#include "bench/cases/splitmix64.hpp"
#include "bench/workloads/fetch/case.hpp"

#include <overlap/clients/http_exchange.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace overlap::bench {

namespace detail {

/// As far as it has numbers at all.
inline bool are_numbers(const nlohmann::json& values) {
    return values.is_array() &&
           std::all_of(values.begin(), values.end(),
                       [](const nlohmann::json& each) { return each.is_number_unsigned(); });
}

}  // namespace detail

/// The sum of the values in the document that has come. Throws http_error with `path` and what is wrong: the
/// status, no JSON, no values.
inline std::uint64_t sum_of_values(const std::string& path, const http_response& answer) {
    constexpr int ok = 200;
    if (answer.status != ok) {
        throw http_error(path + ": status " + std::to_string(answer.status) + ", expected 200");
    }
    const nlohmann::json document = nlohmann::json::parse(answer.body, nullptr, false);
    if (document.is_discarded()) throw http_error(path + ": the answer is no JSON");
    const auto values = document.is_object() ? document.find("values") : document.end();
    if (values == document.end() || !detail::are_numbers(*values)) {
        throw http_error(path + ": the document has no \"values\", a list of whole numbers");
    }
    std::uint64_t sum = 0;
    for (const nlohmann::json& each : *values) sum += each.get<std::uint64_t>();
    return sum;
}

/// The sums of all documents, by item.
inline const std::vector<std::uint64_t>& sums_of_items() {
    static const std::vector<std::uint64_t> sums = [] {
        constexpr std::size_t values = 16;
        std::vector<std::uint64_t> made(fetch_case::items);
        for (std::size_t i = 0; i < made.size() * values; ++i) {
            made[i / values] += splitmix64(i) >> 32;
        }
        return made;
    }();
    return sums;
}

}  // namespace overlap::bench
