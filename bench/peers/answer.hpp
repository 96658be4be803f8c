// What a line of a peer says, whatever stands in it.
#pragma once

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

namespace overlap::bench {

/// A peer does not do the workload that it was asked for.
class no_workload : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// A peer said something else than was asked for, such as an error of its own: what() are its words.
class wrong_answer : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// What a line, which has to be a JSON object with it, says of `key`. Throws limit_error where the peer
/// names a limit, no_workload, or wrong_answer.
nlohmann::json answer_in(const std::string& line, const std::string& key);

/// The beginning of a value as text, for words about it.
std::string beginning_of(const nlohmann::json& value);

}  // namespace overlap::bench
