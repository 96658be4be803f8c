#include "bench/cases/sweeps.hpp"

#include <cmath>
#include <cstdint>
#include <optional>
#include <sstream>
#include <stdexcept>

namespace overlap::bench {

namespace {

constexpr std::size_t most_values = 200;
constexpr const char* expected =
    "{ sweep = [..] } with 1 to 200 numbers, each once, or { from = a, "
    "to = b, factor = f } with 0 < a "
    "<= b and f > 1, of at most 200 numbers";

std::optional<double> number(const toml::node* node) {
    if (node == nullptr) return std::nullopt;
    if (const auto* whole = node->as_integer()) return static_cast<double>(whole->get());
    if (const auto* real = node->as_floating_point()) return real->get();
    return std::nullopt;
}

std::shared_ptr<const toml::node> make_number(double value, bool is_whole) {
    if (is_whole) return std::make_shared<toml::value<std::int64_t>>(std::llround(value));
    return std::make_shared<toml::value<double>>(value);
}

std::vector<swept> listed(std::string_view key, const toml::array* values) {
    if (values == nullptr || values->empty() || values->size() > most_values) {
        throw std::invalid_argument(expected);
    }
    std::vector<swept> all;
    for (const toml::node& each : *values) {
        const auto value = number(&each);
        if (!value) throw std::invalid_argument(expected);
        all.push_back({std::string(key), make_number(*value, each.is_integer())});
    }
    return all;
}

std::vector<swept> progression(std::string_view key, const toml::table& given) {
    const auto from = number(given.get("from"));
    const auto to = number(given.get("to"));
    const auto factor = number(given.get("factor"));
    if (given.size() != 3 || !from || !to || !factor || !(*from > 0 && *from <= *to) ||
        !(*factor > 1) || !std::isfinite(*to)) {
        throw std::invalid_argument(expected);
    }
    const bool is_whole = given.get("from")->is_integer() && given.get("to")->is_integer();
    constexpr double rounding = 1 + 1e-9;
    std::vector<swept> all;
    double value = *from;
    while (value <= *to * rounding) {
        all.push_back({std::string(key), make_number(value, is_whole)});
        if (all.size() > most_values) throw std::invalid_argument(expected);
        value *= *factor;
    }
    return all;
}

}  // namespace

std::string swept::suffix() const {
    std::ostringstream text;
    text << '@' << key << '=';
    if (const auto* whole = value->as_integer()) {
        text << whole->get();
    } else {
        text << value->as_floating_point()->get();
    }
    return text.str();
}

std::vector<swept> values_of(std::string_view key, const toml::node& node) {
    const auto* given = node.as_table();
    if (given == nullptr) return {};
    std::vector<swept> all;
    if (given->contains("sweep")) {
        if (given->size() != 1) throw std::invalid_argument(expected);
        all = listed(key, given->get_as<toml::array>("sweep"));
    } else if (given->contains("from") || given->contains("to") || given->contains("factor")) {
        all = progression(key, *given);
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
            if (all[i].suffix() == all[j].suffix()) throw std::invalid_argument(expected);
        }
    }
    return all;
}

swept of_cores(std::size_t cores) {
    return {"cores", make_number(static_cast<double>(cores), true)};
}

}  // namespace overlap::bench
