// Files that keep every latency of a run, so that those of several generators can be put together.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace overlap::load {

/// Latencies in nanoseconds in ascending order, and how often each was found: nothing is rounded.
using histogram = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

histogram histogram_of(std::vector<std::uint64_t> latencies_ns);

/// Every latency as often as it was found, in ascending order.
std::vector<std::uint64_t> latencies_of(const histogram& counts);

/// The first line is the summary of the run, each further one a latency and how often it was found.
struct latency_file {
    std::string path;
    nlohmann::ordered_json summary;
    histogram counts;
};

/// Throws load_error if it cannot be written.
void write(const latency_file& file);

/// Throws usage_error if it cannot be read, or has anything else in it.
latency_file read_latency_file(const std::string& path);

}  // namespace overlap::load
