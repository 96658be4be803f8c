#include "report.hpp"

#include "bench/harness/percentiles.hpp"
#include "gates.hpp"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <sstream>
#include <string_view>
#include <utility>

namespace overlap::load {
namespace {

using nlohmann::ordered_json;

// Linux delays an acknowledgement by 40 ms (TCP_DELACK_MIN). A server that writes a reply in two parts
// without TCP_NODELAY waits for it in between: Nagle's algorithm, RFC 896.
constexpr std::pair<double, double> delayed_acknowledgement_s{0.039, 0.046};

using latencies = std::vector<std::uint64_t>;

double sum_s(const latencies& found_ns) {
    return std::accumulate(
        found_ns.begin(), found_ns.end(), 0.0,
        [](double sum, std::uint64_t each) { return sum + static_cast<double>(each) * 1e-9; });
}

void add_latencies(ordered_json& summary, latencies found_ns) {
    const double mean_s = sum_s(found_ns) / static_cast<double>(found_ns.size());
    for (const auto& [name, seconds] : bench::percentiles("latency", std::move(found_ns))) {
        summary[name] = seconds;
    }
    summary["latency_mean_s"] = mean_s;
}

void add_generator(ordered_json& summary, const load_result& result, double little_error,
                   const std::vector<std::string>& gates) {
    summary["bytes_echoed"] = result.bytes_echoed;
    summary["cpu_s"] = result.cpu_s;
    summary["little_error"] = little_error;
    summary["generator_idle"] = result.idle_share;
    summary["generator_bound"] = 1 - result.idle_share > busiest;
    summary["gates"] = gates;
    summary["verified"] = 1;
    const double median_s = summary["latency_p50_s"];
    if (delayed_acknowledgement_s.first < median_s && median_s < delayed_acknowledgement_s.second) {
        summary["hint"] =
            "replies take 40 ms: does the server write them in parts, without TCP_NODELAY?";
    }
}

void summarize_closed(ordered_json& summary, const load_result& result, latencies found_ns) {
    summary["messages_per_s"] = static_cast<double>(result.latencies_ns.size()) / result.wall_s;
    const double spent_s = sum_s(found_ns);
    add_latencies(summary, std::move(found_ns));
    // Little's law, N = X R, with the wall time multiplied out of both sides. N counts a
    // connection from its first message to its last reply, so early finishers do not distort it.
    const double little_error = std::abs(result.outstanding_s - spent_s) / result.outstanding_s;
    add_generator(summary, result, little_error, gates_of(result, little_error));
}

/// The slowest connection's mean latency, over the median connection's.
double slowest_connection_ratio(const load_result& result) {
    std::vector<double> spent_ns(result.connections);
    std::vector<double> answered(result.connections);
    for (std::size_t i = result.due.first_measured(); i < result.due.size(); ++i) {
        if (result.asks[i]) continue;
        spent_ns[result.due.connection(i)] += static_cast<double>(result.latencies_ns[i]);
        ++answered[result.due.connection(i)];
    }
    std::vector<double> means_ns;
    for (std::size_t c = 0; c < result.connections; ++c) {
        if (answered[c] > 0) means_ns.push_back(spent_ns[c] / answered[c]);
    }
    std::sort(means_ns.begin(), means_ns.end());
    return means_ns.back() / means_ns[(means_ns.size() - 1) / 2];
}

void summarize_open(ordered_json& summary, const load_result& result, latencies found_ns) {
    const steadiness found = steadiness_of(result);
    summary["messages_measured"] = found_ns.size();
    summary["warm_up_s"] = static_cast<double>(result.due.warm_up_ns()) * 1e-9;
    summary["offered_per_s"] = found.offered_per_s;
    summary["messages_per_s"] = static_cast<double>(found.answered) / found.window_s;
    summary["answered_share"] = found.answered_share();
    summary["backlog"] = found.backlog;
    if (result.work != 0) {
        summary["work"] = result.work;
        summary["messages_with_work"] = std::count(result.asks.begin(), result.asks.end(), true);
        summary["slowest_connection_ratio"] = slowest_connection_ratio(result);
    }
    add_latencies(summary, std::move(found_ns));
    summary["send_lateness_p99_s"] = found.lateness_p99_s;
    add_generator(summary, result, found.little_error,
                  gates_of(result, found, summary["latency_p50_s"]));
}

std::string number(double value, int digits) {
    std::ostringstream text;
    text << std::fixed << std::setprecision(digits) << value;
    return text.str();
}

class table {
public:
    explicit table(const ordered_json& summary) : summary_(summary) {}

    void count(std::string_view name, const char* key, const std::string& note = "") {
        if (summary_.contains(key)) row(name, summary_[key].dump(), note);
    }
    void figure(std::string_view name, const char* key, double unit, int digits,
                std::string_view note) {
        if (!summary_.contains(key)) return;
        row(name, number(summary_[key].get<double>() * unit, digits), note);
    }
    void row(std::string_view name, const std::string& value, std::string_view note) {
        text_ << std::left << std::setw(14) << name << std::right << std::setw(14) << value << ' '
              << note << '\n';
    }
    void words(std::string_view name, const std::string& said) {
        text_ << std::left << std::setw(15) << name << said << '\n';
    }
    [[nodiscard]] std::string text() const { return text_.str(); }

private:
    const ordered_json& summary_;
    std::ostringstream text_;
};

void add_figures_of_server(table& into) {
    constexpr double us = 1e6;
    into.figure("wall", "wall_s", 1, 3, "s");
    into.figure("rate", "messages_per_s", 1, 0, "messages/s");
    into.figure("latency p50", "latency_p50_s", us, 1, "us");
    into.figure("        p99", "latency_p99_s", us, 1, "us");
    into.figure("        p99.9", "latency_p999_s", us, 1, "us");
    into.figure("        p99.99", "latency_p9999_s", us, 1, "us");
    into.figure("        max", "latency_max_s", us, 1, "us");
    into.figure("        mean", "latency_mean_s", us, 1, "us");
    into.figure("slowest", "slowest_connection_ratio", 1, 2, "times the median connection's mean");
}

/// Null: no message asks for any.
ordered_json work_in(const latency_file& file) {
    return file.summary.contains("work") ? file.summary["work"] : ordered_json();
}

}  // namespace

latencies measured_latencies(const load_result& result) {
    const std::size_t first = result.due.first_measured();
    if (result.asks.empty()) {
        return {result.latencies_ns.begin() + static_cast<std::ptrdiff_t>(first),
                result.latencies_ns.end()};
    }
    latencies found;
    for (std::size_t i = first; i < result.latencies_ns.size(); ++i) {
        if (!result.asks[i]) found.push_back(result.latencies_ns[i]);
    }
    return found;
}

ordered_json summarize(const load_result& result, latencies found_ns) {
    ordered_json summary;
    summary["connections"] = result.connections;
    summary["messages"] = result.latencies_ns.size();
    summary["bytes"] = result.bytes;
    summary["wall_s"] = result.wall_s;
    if (result.due.size() > 0) {
        summarize_open(summary, result, std::move(found_ns));
    } else {
        summarize_closed(summary, result, std::move(found_ns));
    }
    return summary;
}

latency_file merged(const std::vector<latency_file>& parts) {
    latency_file all;
    std::set<std::string> paths;
    std::vector<std::string> gates;
    for (const char* key : {"generators", "connections", "messages", "bytes", "bytes_echoed"}) {
        all.summary[key] = std::uint64_t{0};
    }
    const auto add = [&](const char* key, std::uint64_t value) {
        all.summary[key] = all.summary[key].get<std::uint64_t>() + value;
    };
    latencies found_ns;
    for (const latency_file& each : parts) {
        if (!paths.insert(each.path).second) {
            throw usage_error("--merge: " + each.path + " is given twice");
        }
        if (each.summary["bytes"] != parts.front().summary["bytes"]) {
            throw usage_error("--merge: messages of " + parts.front().summary["bytes"].dump() +
                              " bytes in " + parts.front().path + ", of " +
                              each.summary["bytes"].dump() + " in " + each.path +
                              ": latencies of different messages do not add up to anything");
        }
        if (work_in(each) != work_in(parts.front())) {
            throw usage_error("--merge: " + parts.front().path + " and " + each.path +
                              " differ in --work: latencies of different messages do not add up "
                              "to anything");
        }
        add("generators", each.summary.value("generators", std::uint64_t{1}));
        for (const char* key : {"connections", "messages", "bytes_echoed"}) {
            add(key, each.summary[key].get<std::uint64_t>());
        }
        const latencies more_ns = latencies_of(each.counts);
        found_ns.insert(found_ns.end(), more_ns.begin(), more_ns.end());
        for (const auto& gate : each.summary["gates"]) {
            gates.push_back(each.path + ": " + gate.get<std::string>());
        }
    }
    all.summary["bytes"] = parts.front().summary["bytes"];
    if (!work_in(parts.front()).is_null()) all.summary["work"] = work_in(parts.front());
    all.summary["messages_measured"] = found_ns.size();
    all.counts = histogram_of(found_ns);
    add_latencies(all.summary, std::move(found_ns));
    all.summary["gates"] = gates;
    all.summary["verified"] = 1;
    return all;
}

std::string to_table(const ordered_json& summary) {
    table lines(summary);
    lines.count("generators", "generators");
    lines.count("connections", "connections");
    lines.count("messages", "messages", "of " + summary["bytes"].dump() + " bytes");
    lines.count("      counted", "messages_measured");
    lines.count("  with work", "messages_with_work");
    lines.figure("offered", "offered_per_s", 1, 0, "messages/s");
    for (const auto& gate : summary["gates"]) lines.words("no latencies:", gate);
    if (summary["gates"].empty()) add_figures_of_server(lines);
    lines.count("echoed", "bytes_echoed", "bytes, every one compared");
    lines.figure("sent late, p99", "send_lateness_p99_s", 1e6, 1, "us");
    lines.figure("generator CPU", "cpu_s", 1, 3, "s");
    lines.figure("          idle", "generator_idle", 100, 1, "% of the time");
    lines.figure("Little's law", "little_error", 100, 2, "% off");
    if (summary.contains("hint")) lines.words("hint:", summary["hint"]);
    return lines.text();
}

}  // namespace overlap::load
