#include "report.hpp"

#include "bench/harness/percentiles.hpp"

#include <cmath>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>
#include <string_view>
#include <utility>

namespace overlap::load {
namespace {

// A queue before a server that is idle for a share u of the time holds about (1 - u) / u (M/M/1),
// so below this share some nine replies wait to be read, and waiting here is what latency measures.
constexpr double least_idle_share = 0.1;

// Linux delays an acknowledgement by 40 ms (TCP_DELACK_MIN). A server that writes a reply in two parts
// without TCP_NODELAY waits for it in between: Nagle's algorithm, RFC 896.
constexpr std::pair<double, double> delayed_acknowledgement_s{0.039, 0.046};

}  // namespace

nlohmann::ordered_json summarize(load_result& result) {
    const std::vector<std::uint64_t>& latencies = result.latencies_ns;
    const auto messages = static_cast<double>(latencies.size());
    const double latency_sum_s = std::accumulate(
        latencies.begin(), latencies.end(), 0.0,
        [](double sum, std::uint64_t each) { return sum + static_cast<double>(each) * 1e-9; });
    nlohmann::ordered_json summary;
    summary["connections"] = result.connections;
    summary["messages"] = latencies.size();
    summary["bytes"] = result.bytes;
    summary["wall_s"] = result.wall_s;
    summary["messages_per_s"] = messages / result.wall_s;
    for (const auto& [name, seconds] :
         bench::percentiles("latency", std::move(result.latencies_ns))) {
        summary[name] = seconds;
    }
    summary["latency_mean_s"] = latency_sum_s / messages;
    summary["bytes_echoed"] = result.bytes_echoed;
    summary["cpu_s"] = result.cpu_s;
    // Little's law, N = X R, with the wall time multiplied out of both sides. N counts a
    // connection from its first message to its last reply, so early finishers do not distort it.
    summary["little_error"] = std::abs(result.outstanding_s - latency_sum_s) / result.outstanding_s;
    summary["generator_idle"] = result.idle_s / result.wall_s;
    summary["generator_bound"] = result.idle_s < least_idle_share * result.wall_s;
    summary["verified"] = 1;
    const double median_s = summary["latency_p50_s"];
    if (delayed_acknowledgement_s.first < median_s && median_s < delayed_acknowledgement_s.second) {
        summary["hint"] =
            "replies take 40 ms: does the server write them in parts, without TCP_NODELAY?";
    }
    return summary;
}

std::string to_table(const nlohmann::ordered_json& summary) {
    std::ostringstream table;
    const auto row = [&](std::string_view name, const std::string& value, std::string_view note) {
        table << std::left << std::setw(14) << name << std::right << std::setw(14) << value << ' '
              << note << '\n';
    };
    const auto number = [](double value, int digits) {
        std::ostringstream text;
        text << std::fixed << std::setprecision(digits) << value;
        return text.str();
    };
    const auto microseconds = [&](std::string_view name, const char* key) {
        if (!summary.contains(key)) return;
        row(name, number(summary[key].get<double>() * 1e6, 1), "us");
    };
    row("connections", summary["connections"].dump(), "");
    row("messages", summary["messages"].dump(), "of " + summary["bytes"].dump() + " bytes");
    row("wall", number(summary["wall_s"], 3), "s");
    row("rate", number(summary["messages_per_s"], 0), "messages/s");
    microseconds("latency p50", "latency_p50_s");
    microseconds("        p99", "latency_p99_s");
    microseconds("        p99.9", "latency_p999_s");
    microseconds("        max", "latency_max_s");
    microseconds("        mean", "latency_mean_s");
    row("echoed", summary["bytes_echoed"].dump(), "bytes, every one compared");
    row("generator CPU", number(summary["cpu_s"], 3), "s");
    row("          idle", number(summary["generator_idle"].get<double>() * 100, 1),
        summary["generator_bound"].get<bool>() ? "% of wall: generator-bound" : "% of wall");
    row("Little's law", number(summary["little_error"].get<double>() * 100, 2), "% off");
    if (summary.contains("hint")) table << summary["hint"].get<std::string>() << '\n';
    return table.str();
}

}  // namespace overlap::load
