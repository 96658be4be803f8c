#include "latencies.hpp"

#include "options.hpp"
#include "payload.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string_view>

namespace overlap::load {
namespace {

constexpr const char* format_key = "echo_load_latencies";
constexpr int format = 1;

[[noreturn]] void throw_unreadable(const std::string& path, std::size_t line,
                                   const std::string& what) {
    throw usage_error("--merge: " + path + ", line " + std::to_string(line) + ": " + what +
                      "; give files that echo_load --histogram has written");
}

nlohmann::ordered_json head_of(const std::string& path, const std::string& line) {
    auto head = nlohmann::ordered_json::parse(line, nullptr, false);
    const auto has = [&](const char* key) {
        return head.contains(key) && head[key].is_number_unsigned();
    };
    if (!head.is_object() || !has(format_key)) throw_unreadable(path, 1, "not a file of latencies");
    if (head[format_key] != format) {
        throw_unreadable(path, 1, "written by another version (" + head[format_key].dump() + ")");
    }
    for (const char* key : {"connections", "messages", "bytes", "bytes_echoed"}) {
        if (!has(key)) throw_unreadable(path, 1, std::string(key) + " is missing");
    }
    if (!head.contains("gates") || !head["gates"].is_array()) {
        throw_unreadable(path, 1, "gates is missing");
    }
    for (const auto& gate : head["gates"]) {
        if (!gate.is_string()) throw_unreadable(path, 1, "gates are words");
    }
    head.erase(format_key);
    return head;
}

bool read_number(std::string_view& text, std::uint64_t& number) {
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
    return error == std::errc{};
}

}  // namespace

histogram histogram_of(std::vector<std::uint64_t> latencies_ns) {
    std::sort(latencies_ns.begin(), latencies_ns.end());
    histogram counts;
    for (const std::uint64_t each : latencies_ns) {
        if (counts.empty() || counts.back().first != each) counts.emplace_back(each, 0);
        ++counts.back().second;
    }
    return counts;
}

std::vector<std::uint64_t> latencies_of(const histogram& counts) {
    std::vector<std::uint64_t> latencies;
    for (const auto& [latency, count] : counts) {
        latencies.insert(latencies.end(), static_cast<std::size_t>(count), latency);
    }
    return latencies;
}

void write(const latency_file& file) {
    nlohmann::ordered_json head{{format_key, format}};
    head.update(file.summary);
    std::ofstream out(file.path);
    out << head.dump() << '\n';
    for (const auto& [latency, count] : file.counts) out << latency << ' ' << count << '\n';
    if (!out.flush()) throw load_error("--histogram: " + file.path + " could not be written");
}

latency_file read_latency_file(const std::string& path) {
    std::ifstream in(path);
    std::string line;
    if (!std::getline(in, line)) throw_unreadable(path, 1, in ? "empty" : "cannot be read");
    latency_file file{path, head_of(path, line), {}};
    std::uint64_t sum = 0;
    for (std::size_t number = 2; std::getline(in, line); ++number) {
        std::string_view rest = line;
        std::uint64_t latency = 0;
        std::uint64_t count = 0;
        const bool fine = read_number(rest, latency) && rest.starts_with(' ') &&
                          (rest.remove_prefix(1), read_number(rest, count)) && rest.empty() &&
                          count > 0 && !in.eof();
        if (!fine) {
            throw_unreadable(path, number,
                             quoted(std::as_bytes(std::span(line))) +
                                 ", expected a latency in ns and how often it was");
        }
        sum += count;
        const auto messages = file.summary["messages"].get<std::uint64_t>();
        if (sum > messages || (!file.counts.empty() && latency <= file.counts.back().first)) {
            throw_unreadable(path, number, "more latencies than messages, or not in their order");
        }
        file.counts.emplace_back(latency, count);
    }
    const auto expected = file.summary.value("messages_measured", file.summary["messages"]);
    if (sum != expected) {
        throw_unreadable(path, file.counts.size() + 1,
                         "the file ends after " + std::to_string(sum) + " of " + expected.dump() +
                             " latencies");
    }
    return file;
}

}  // namespace overlap::load
