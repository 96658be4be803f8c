// What echo_load says about a run.
#pragma once

#include "closed_loop.hpp"

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace overlap::load {

/// One flat object: SI units, the keys that `echo_load --help` explains. Percentiles are exact
/// (nearest rank) and left out where a run is too short for them. Takes result.latencies_ns.
nlohmann::ordered_json summarize(load_result& result);

/// The same for people, one figure a line.
std::string to_table(const nlohmann::ordered_json& summary);

}  // namespace overlap::load
