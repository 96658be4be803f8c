#include "bench/peers/answer.hpp"

#include "bench/harness/session.hpp"

#include <overlap/core/runtime.hpp>

namespace overlap::bench {

namespace {

using nlohmann::json;

constexpr std::size_t shown = 80;  ///< Bytes of what is not as expected.
/// Answers have two levels. Text is made of a value by a function that calls itself for each.
constexpr int deepest = 16;

json parsed(const std::string& line) {
    bool too_deep = false;
    json value = json::parse(
        line,
        [&](int depth, json::parse_event_t, const json&) {
            too_deep = too_deep || depth > deepest;
            return depth <= deepest;
        },
        false);
    return too_deep ? json() : value;
}

std::string words_of(const json& value) {
    return value.is_string() ? value.get<std::string>() : beginning_of(value);
}

}  // namespace

std::string beginning_of(const json& value) { return value.dump().substr(0, shown); }

json answer_in(const std::string& line, const std::string& key) {
    const json answer = parsed(line);
    if (answer.is_object()) {
        if (answer.contains("limit")) throw limit_error(one_line(words_of(answer.at("limit"))));
        if (answer.contains("no_workload") && answer.at("no_workload") == true) {
            throw no_workload("it says so");
        }
        if (answer.contains("error")) {
            throw wrong_answer("says: " + words_of(answer.at("error")));
        }
        if (answer.contains(key)) return answer.at(key);
    }
    throw wrong_answer("said \"" + line.substr(0, shown) + "\", expected an object with " + key);
}

}  // namespace overlap::bench
