// What echo_load says about a run.
#pragma once

#include "generator.hpp"
#include "latencies.hpp"

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace overlap::load {

/// Those that count: the messages of a warm-up do not.
std::vector<std::uint64_t> measured_latencies(const load_result& result);

/// One flat object: SI units, the keys that `echo_load --help` explains. Percentiles are exact
/// (nearest rank) and left out where a run is too short for them. "gates" has in words why rate and
/// latencies are not the server's.
nlohmann::ordered_json summarize(const load_result& result,
                                 std::vector<std::uint64_t> latencies_ns);

/// All of them as those of one run, without figures of time other than latencies: nothing says when
/// the parts were measured. At least one; its path is empty. Throws usage_error if they do not fit.
latency_file merged(const std::vector<latency_file>& parts);

/// The same for people, one figure a line, with words instead of those that a gate calls invalid.
std::string to_table(const nlohmann::ordered_json& summary);

}  // namespace overlap::load
