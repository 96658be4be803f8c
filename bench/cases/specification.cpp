#include "bench/cases/specification.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <set>
#include <sstream>
#include <string_view>
#include <toml++/toml.h>

namespace overlap::bench {

namespace {

constexpr std::int64_t most_tasks = 100'000'000;
constexpr std::int64_t most_bytes = std::int64_t{64} << 20;
constexpr std::int64_t most_work = 4'000'000'000;
constexpr double longest_delay_s = 3600;
constexpr std::array<std::string_view, 5> workloads{sleeps_case::workload, gather_case::workload,
                                                    echo_case::workload, heartbeat_case::workload,
                                                    mix_case::workload};
constexpr std::string_view name_characters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

/// One table of the file, read key by key: what is left over at the end is unknown.
class case_reader {
public:
    case_reader(const std::string& path, std::string name, const toml::table& table)
        : path_(path), name_(std::move(name)), table_(table) {}

    [[nodiscard]] bool has(std::string_view key) const { return table_.contains(key); }

    std::int64_t integer(std::string_view key, std::int64_t least, std::int64_t most) {
        const toml::node& node = require(key, "a whole number");
        const auto* value = node.as_integer();
        if (value == nullptr || value->get() < least || value->get() > most) {
            fail(node, key,
                 "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
        }
        return value->get();
    }

    std::int64_t integer_or(std::string_view key, std::int64_t otherwise, std::int64_t least,
                            std::int64_t most) {
        return has(key) ? integer(key, least, most) : otherwise;
    }

    std::size_t count(std::string_view key, std::int64_t most) {
        return static_cast<std::size_t>(integer(key, 1, most));
    }

    nanoseconds duration(const toml::node& node, std::string_view key) const {
        double seconds = -1;
        if (const auto* real = node.as_floating_point()) seconds = real->get();
        if (const auto* whole = node.as_integer()) seconds = static_cast<double>(whole->get());
        if (!(seconds >= 0 && seconds <= longest_delay_s)) {
            fail(node, key, "seconds, a number from 0 to 3600");
        }
        return nanoseconds(std::llround(seconds * 1e9));
    }

    const toml::node& require(std::string_view key, std::string_view expected) {
        known_.insert(std::string(key));
        const toml::node* node = table_.get(key);
        if (node == nullptr) {
            fail(table_, "", "a key `" + std::string(key) + "`: " + std::string(expected));
        }
        return *node;
    }

    /// Complains about the first key that nobody asked for.
    void finish() const {
        for (const auto& [key, node] : table_) {
            if (known_.contains(std::string(key.str()))) continue;
            std::string expected = "one of";
            for (const auto& known : known_) expected += " " + known;
            fail(node, key.str(), expected + "; this key is not known");
        }
    }

    void mention(std::initializer_list<std::string_view> keys) {
        for (const auto key : keys) known_.insert(std::string(key));
    }

    [[noreturn]] void fail(const toml::node& at, std::string_view key,
                           const std::string& expected) const {
        std::ostringstream line;
        line << path_ << ':' << at.source().begin.line << ": [" << name_ << "]";
        if (!key.empty()) {
            line << ' ' << key;
            if (!at.is_table() && !at.is_array()) line << " = " << toml::node_view(at);
        }
        line << ": expected " << expected;
        throw specification_error(line.str());
    }

    [[nodiscard]] const toml::table& table() const noexcept { return table_; }

private:
    const std::string& path_;
    std::string name_;
    const toml::table& table_;
    std::set<std::string> known_;
};

void read_common(case_reader& reader, case_base& into) {
    reader.mention({"iterations", "cores"});
    into.iterations = static_cast<std::size_t>(reader.integer_or("iterations", 1, 1, 1'000'000));
    into.cores = static_cast<std::size_t>(reader.integer_or("cores", 0, 1, 4096));
}

void read_uniform(case_reader& reader, const toml::table& range, const std::string& path,
                  sleeps_case& into) {
    case_reader inner(path, "sleeps." + into.name + ".delay_s", range);
    into.shortest = inner.duration(inner.require("min", "seconds"), "min");
    into.longest = inner.duration(inner.require("max", "seconds"), "max");
    into.seed = static_cast<std::uint64_t>(
        inner.integer_or("seed", 1, 0, std::numeric_limits<std::int64_t>::max()));
    inner.mention({"seed"});
    inner.finish();
    if (into.shortest > into.longest) reader.fail(range, "delay_s", "min <= max");
}

sleeps_case read_case(case_reader& reader, const std::string& path, sleeps_case into) {
    reader.mention({"delays_s", "tasks", "delay_s"});
    if (reader.has("delays_s")) {
        const toml::node& node = reader.require("delays_s", "a list of seconds");
        if (reader.has("tasks") || reader.has("delay_s")) {
            reader.fail(node, "delays_s", "either `delays_s`, or `tasks` and `delay_s`");
        }
        const auto* list = node.as_array();
        if (list == nullptr || list->empty()) {
            reader.fail(node, "delays_s", "a list of at least one number of seconds");
        }
        for (const auto& item : *list) {
            into.listed.push_back(reader.duration(item, "delays_s"));
        }
        into.tasks = into.listed.size();
        into.longest = *std::max_element(into.listed.begin(), into.listed.end());
        into.shortest = *std::min_element(into.listed.begin(), into.listed.end());
        return into;
    }
    into.tasks = reader.count("tasks", most_tasks);
    const toml::node& delay = reader.require("delay_s", "seconds, or { min, max, seed }");
    if (const auto* range = delay.as_table()) {
        read_uniform(reader, *range, path, into);
    } else {
        into.shortest = into.longest = reader.duration(delay, "delay_s");
    }
    return into;
}

gather_case read_case(case_reader& reader, const std::string&, gather_case into) {
    reader.mention({"depth", "work", "repeat"});
    into.fan_out = reader.count("fan_out", most_tasks);
    into.depth = static_cast<std::size_t>(reader.integer_or("depth", 1, 1, 64));
    into.work = static_cast<std::uint32_t>(reader.integer_or("work", 0, 0, most_work));
    into.repeat = static_cast<std::size_t>(reader.integer_or("repeat", 1, 1, 1'000'000));
    const double leaves =
        std::pow(static_cast<double>(into.fan_out), static_cast<double>(into.depth));
    if (leaves > static_cast<double>(most_tasks)) {
        reader.fail(*reader.table().get("fan_out"), "fan_out",
                    "fan_out ^ depth to be at most " + std::to_string(most_tasks) + " leaves");
    }
    return into;
}

echo_case read_case(case_reader& reader, const std::string&, echo_case into) {
    into.connections = reader.count("connections", 1'000'000);
    into.messages = reader.count("messages", most_tasks);
    into.bytes = reader.count("bytes", most_bytes);
    return into;
}

heartbeat_case read_case(case_reader& reader, const std::string&, heartbeat_case into) {
    reader.mention({"parts"});
    into.tasks = reader.count("tasks", most_tasks);
    into.work = static_cast<std::uint32_t>(reader.integer("work", 0, most_work));
    into.parts = static_cast<std::size_t>(reader.integer_or("parts", 1, 1, 1'000'000));
    into.beats = reader.count("beats", 1'000'000);
    into.interval = reader.duration(reader.require("interval_s", "seconds"), "interval_s");
    return into;
}

mix_case read_case(case_reader& reader, const std::string&, mix_case into) {
    reader.mention({"rounds"});
    into.tasks = reader.count("tasks", most_tasks);
    into.rounds = static_cast<std::size_t>(reader.integer_or("rounds", 1, 1, 1'000'000));
    into.wait = reader.duration(reader.require("wait_s", "seconds"), "wait_s");
    into.work = static_cast<std::uint32_t>(reader.integer("work", 0, most_work));
    return into;
}

template <class Case>
void read_workload(const toml::table& file, const std::string& path, std::vector<Case>& into) {
    const toml::node* node = file.get(Case::workload);
    if (node == nullptr) return;
    const auto* cases = node->as_table();
    const case_reader outside(path, Case::workload, file);
    if (cases == nullptr) {
        outside.fail(*node, "",
                     std::string("tables, one a case, e.g. [") + Case::workload + ".mine]");
    }
    for (const auto& [name, each] : *cases) {
        const std::string full = std::string(Case::workload) + "." + std::string(name.str());
        const auto* table = each.as_table();
        if (table == nullptr) outside.fail(each, name.str(), "a table [" + full + "]");
        if (name.str().empty() ||
            name.str().find_first_not_of(name_characters) != std::string_view::npos) {
            outside.fail(each, name.str(), "a name of letters, digits, '_', '-' and '.'");
        }
        case_reader reader(path, full, *table);
        Case value;
        value.name = name.str();
        read_common(reader, value);
        value = read_case(reader, path, std::move(value));
        reader.finish();
        into.push_back(std::move(value));
    }
    // toml++ keeps tables sorted by name; the file's order is the author's.
    std::stable_sort(into.begin(), into.end(), [&](const Case& a, const Case& b) {
        return cases->get(a.name)->source().begin.line < cases->get(b.name)->source().begin.line;
    });
}

std::string hash_of(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a, 64 bits (Fowler, Noll and Vo).
    for (const char c : text) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    }
    std::array<char, 17> digits{};
    std::snprintf(digits.data(), digits.size(), "%016llx", static_cast<unsigned long long>(hash));
    return digits.data();
}

std::string read_text(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(file), {}};
    if (!file) {
        throw specification_error(path + ": cannot be read: expected a workload file (TOML)");
    }
    return text;
}

}  // namespace

double sleeps_case::total_delay_s() const noexcept {
    double sum = 0;
    for (std::size_t i = 0; i < tasks; ++i) sum += static_cast<double>(delay(i).count()) * 1e-9;
    return sum;
}

nanoseconds sleeps_case::longest_delay() const noexcept {
    nanoseconds most{};
    for (std::size_t i = 0; i < tasks; ++i) most = std::max(most, delay(i));
    return most;
}

std::size_t gather_case::leaves() const noexcept {
    std::size_t count = 1;
    for (std::size_t level = 0; level < depth; ++level) count *= fan_out;
    return count;
}

std::size_t gather_case::tasks() const noexcept {
    std::size_t level_count = 1;
    std::size_t sum = 0;
    for (std::size_t level = 0; level < depth; ++level) {
        level_count *= fan_out;
        sum += level_count;
    }
    return sum;
}

specification read_specification(const std::string& path) {
    const std::string text = read_text(path);
    specification into;
    into.path = path;
    into.hash = hash_of(text);
    toml::table file;
    try {
        file = toml::parse(text, path);
    } catch (const toml::parse_error& error) {
        std::ostringstream line;
        line << path << ':' << error.source().begin.line << ": " << error.description()
             << ": expected TOML (https://toml.io)";
        throw specification_error(line.str());
    }
    for (const auto& [key, node] : file) {
        if (std::find(workloads.begin(), workloads.end(), key.str()) != workloads.end()) continue;
        throw specification_error(path + ":" + std::to_string(node.source().begin.line) + ": [" +
                                  std::string(key.str()) +
                                  "]: expected a workload: sleeps, gather, echo, heartbeat or mix");
    }
    read_workload(file, path, into.sleeps);
    read_workload(file, path, into.gather);
    read_workload(file, path, into.echo);
    read_workload(file, path, into.heartbeat);
    read_workload(file, path, into.mix);
    return into;
}

}  // namespace overlap::bench
