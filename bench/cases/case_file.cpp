#include "bench/cases/case_file.hpp"

#include "bench/cases/sweeps.hpp"
#include "overlap_cases.hpp"

#include <overlap/core/cores.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <toml++/toml.h>
#include <tuple>

namespace overlap::bench {

namespace {

constexpr double longest_delay_s = 3600;
constexpr std::string_view name_characters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

[[noreturn]] void complain(const std::string& path, const std::string& table, const toml::node& at,
                           std::string_view key, const std::string& expected) {
    std::ostringstream line;
    line << path << ':' << at.source().begin.line << ": [" << table << "]";
    if (!key.empty()) {
        line << ' ' << key;
        if (!at.is_table() && !at.is_array()) line << " = " << toml::node_view(at);
    }
    line << ": expected " << expected;
    throw case_error(line.str());
}

/// Nothing here is nested so deep, and toml++, which limits the depth of values, follows a key of many
/// parts until the stack ends.
void refuse_deep_keys(const std::string& path, const std::string& text) {
    constexpr std::ptrdiff_t deepest = 100;
    std::istringstream lines(text);
    std::size_t number = 0;
    for (std::string line; std::getline(lines, line);) {
        ++number;
        const auto end_of_key =
            line.begin() +
            static_cast<std::ptrdiff_t>(std::min(line.find_first_of("=,#"), line.size()));
        if (std::count(line.begin(), end_of_key, '.') > deepest) {
            throw case_error(path + ':' + std::to_string(number) + ": a key of more than " +
                             std::to_string(deepest) + " parts: expected a table a case");
        }
    }
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
    std::error_code unknown;
    std::string text;
    if (file && !std::filesystem::is_directory(path, unknown)) {
        text.assign(std::istreambuf_iterator<char>(file), {});
    } else {
        file.setstate(std::ios::failbit);
    }
    if (!file) throw case_error(path + ": cannot be read: expected a workload file (TOML)");
    return text;
}

}  // namespace

case_error::case_error(std::string words)
    : std::runtime_error([&words] {
          const auto is_control = [](char letter) {
              const auto byte = static_cast<unsigned char>(letter);
              return byte < 0x20 || byte == 0x7f;
          };
          std::replace_if(words.begin(), words.end(), is_control, ' ');
          return std::move(words);
      }()) {}

// ---- one table ----------------------------------------------------------------------------------

struct case_reader::table {
    std::string path;  ///< Of the file.
    std::string full_name;
    std::string name;
    const toml::table& keys;
    std::vector<swept> values = {};  ///< Of keys that are swept, in this case of the family.
    std::set<std::string> known = {};

    [[nodiscard]] const toml::node* find(std::string_view key) const {
        for (const swept& each : values) {
            if (each.key == key) return each.value.get();
        }
        return keys.get(key);
    }

    const toml::node& require(std::string_view key, std::string_view expected) {
        known.insert(std::string(key));
        const toml::node* node = find(key);
        if (node == nullptr) {
            complain(path, full_name, keys, "",
                     "a key `" + std::string(key) + "`: " + std::string(expected));
        }
        return *node;
    }

    [[nodiscard]] nanoseconds duration(const toml::node& node, std::string_view key) const {
        double seconds = -1;
        if (const auto* real = node.as_floating_point()) seconds = real->get();
        if (const auto* whole = node.as_integer()) seconds = static_cast<double>(whole->get());
        if (!(seconds >= 0 && seconds <= longest_delay_s)) {
            complain(path, full_name, node, key, "seconds, a number from 0 to 3600");
        }
        return nanoseconds(std::llround(seconds * 1e9));
    }

    /// Of a number that follows the machine: `{ per_core = 32 }` is 32 for each core of the case.
    [[nodiscard]] std::optional<std::int64_t> whole(const toml::node& node) const {
        if (const auto* value = node.as_integer()) return value->get();
        const auto* given = node.as_table();
        if (given == nullptr || given->size() != 1) return std::nullopt;
        const auto each = given->get("per_core") == nullptr
                              ? std::nullopt
                              : given->get("per_core")->value_exact<std::int64_t>();
        if (!each || *each < 1 || *each > most_work) return std::nullopt;
        const toml::node* held_to = find("cores");
        const auto cores = held_to == nullptr ? std::nullopt : held_to->value<std::int64_t>();
        return *each * cores.value_or(static_cast<std::int64_t>(available_cores()));
    }
};

const std::string& case_reader::name() const noexcept { return table_->name; }

bool case_reader::has(std::string_view key) const { return table_->find(key) != nullptr; }

std::int64_t case_reader::integer(std::string_view key, std::int64_t least, std::int64_t most) {
    const auto value = table_->whole(table_->require(key, "a whole number"));
    if (!value || *value < least || *value > most) {
        fail(key, "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    }
    return *value;
}

void case_reader::read_optional(std::string_view key, std::string& into,
                                std::initializer_list<std::string_view> words) {
    mention({key});
    if (!has(key)) return;
    const auto* text = table_->find(key)->as_string();
    if (text == nullptr || std::find(words.begin(), words.end(), text->get()) == words.end()) {
        std::string expected = "one of";
        for (const std::string_view each : words) expected.append(" ").append(each);
        fail(key, expected);
    }
    into = text->get();
}

void case_reader::read(std::string_view key, nanoseconds& into, std::string_view expected) {
    into = table_->duration(table_->require(key, expected), key);
}

void case_reader::read(std::string_view key, std::vector<nanoseconds>& into) {
    const auto* list = table_->require(key, "a list of seconds").as_array();
    if (list == nullptr || list->empty()) fail(key, "a list of at least one number of seconds");
    for (const auto& item : *list) into.push_back(table_->duration(item, key));
}

std::optional<case_reader> case_reader::inner(std::string_view key) {
    const toml::node* node = table_->find(key);
    if (node == nullptr || !node->is_table()) return std::nullopt;
    mention({key});
    const std::string name(key);
    return case_reader(std::make_shared<table>(
        table{table_->path, table_->full_name + "." + name, name, *node->as_table()}));
}

void case_reader::mention(std::initializer_list<std::string_view> keys) {
    for (const auto key : keys) table_->known.insert(std::string(key));
}

void case_reader::finish() const {
    for (const auto& [key, node] : table_->keys) {
        if (table_->known.contains(std::string(key.str()))) continue;
        std::string expected = "one of";
        for (const auto& known : table_->known) expected += " " + known;
        fail(key.str(), expected + "; this key is not known");
    }
}

void case_reader::fail(std::string_view key, const std::string& expected) const {
    complain(table_->path, table_->full_name, *table_->keys.get(key), key, expected);
}

void case_base::read_common(case_reader& reader) {
    name = reader.name();
    reader.read_optional("iterations", iterations, 1, most_rounds);
    reader.read_optional("cores", cores, 1, 4096);
}

// ---- the file -----------------------------------------------------------------------------------

struct case_file::content {
    toml::table tables;
};

template <class... Cases>
void case_file::check_all(const std::tuple<Cases...>*) const {
    const std::array<std::string, sizeof...(Cases)> workloads{Cases::workload...};
    for (const auto& [key, node] : content_->tables) {
        if (std::find(workloads.begin(), workloads.end(), key.str()) != workloads.end()) continue;
        std::string expected = "a workload, one of";
        for (const auto& workload : workloads) expected += " " + workload;
        complain(path_, std::string(key.str()), node, "", expected);
    }
    (static_cast<void>(cases<Cases>()), ...);
}

case_file::case_file(const std::string& path, std::vector<std::size_t> cores)
    : path_(path), cores_(std::move(cores)) {
    const std::string text = read_text(path);
    refuse_deep_keys(path, text);
    hash_ = hash_of(text);
    try {
        content_ = std::make_shared<content>(content{toml::parse(text, path)});
    } catch (const toml::parse_error& error) {
        std::ostringstream line;
        line << path << ':' << error.source().begin.line << ": " << error.description()
             << ": expected TOML (https://toml.io)";
        throw case_error(line.str());
    }
    check_all(static_cast<const all_cases*>(nullptr));
}

/// The values of each case of the family that a table stands for; one case without any if nothing in
/// it is swept.
std::vector<std::vector<swept>> family_of(const std::string& path, const std::string& full_name,
                                          const toml::table& given,
                                          const std::vector<std::size_t>& cores) {
    std::vector<std::vector<swept>> family{{}};
    bool is_swept = false;
    for (const auto& [key, node] : given) {
        try {
            const std::vector<swept> values = values_of(key.str(), node);
            if (values.empty()) continue;
            if (std::exchange(is_swept, true)) throw std::invalid_argument("one sweep in a case");
            family.clear();
            for (const swept& each : values) family.push_back({each});
        } catch (const std::invalid_argument& error) {
            complain(path, full_name, node, key.str(), error.what());
        }
    }
    if (cores.empty() || given.contains("cores")) return family;
    std::vector<std::vector<swept>> on_each;
    for (const auto& one : family) {
        for (const std::size_t each : cores) {
            on_each.push_back(one);
            on_each.back().push_back(of_cores(each));
        }
    }
    return on_each;
}

std::vector<case_reader> case_file::readers_of(const std::string& workload) const {
    const toml::node* node = content_->tables.get(workload);
    if (node == nullptr) return {};
    const auto* cases = node->as_table();
    if (cases == nullptr) {
        complain(path_, workload, *node, "", "tables, one a case, e.g. [" + workload + ".mine]");
    }
    // toml++ keeps tables sorted by name; the file's order is the author's.
    std::vector<std::pair<std::string, const toml::node*>> in_order;
    for (const auto& [key, each] : *cases) in_order.emplace_back(key.str(), &each);
    std::sort(in_order.begin(), in_order.end(), [](const auto& a, const auto& b) {
        const auto place = [](const auto& each) {
            const toml::source_position& begin = each.second->source().begin;
            return std::tie(begin.line, begin.column, each.first);
        };
        return place(a) < place(b);
    });
    std::vector<case_reader> readers;
    for (const auto& [name, each] : in_order) {
        std::string full = workload;
        full.append(".").append(name);
        const auto* table = each->as_table();
        if (table == nullptr) complain(path_, workload, *each, name, "a table [" + full + "]");
        if (name.empty() || name.find_first_not_of(name_characters) != std::string::npos) {
            complain(path_, workload, *each, name, "a name of letters, digits, '_', '-' and '.'");
        }
        for (const auto& values : family_of(path_, full, *table, cores_)) {
            std::string suffix;
            for (const swept& value : values) suffix += value.suffix();
            readers.emplace_back(std::make_shared<case_reader::table>(
                case_reader::table{path_, full + suffix, name + suffix, *table, values}));
        }
    }
    return readers;
}

}  // namespace overlap::bench
