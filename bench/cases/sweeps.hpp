// Numbers that are swept: a case with one is a family of cases, one for each of its values.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <toml++/toml.h>
#include <vector>

namespace overlap::bench {

/// One of the values that a key takes in a family.
struct swept {
    std::string key;
    std::shared_ptr<const toml::node> value;  ///< A whole or a real number.

    /// What the case's name ends with: "@work=1000".
    [[nodiscard]] std::string suffix() const;
};

/// What a node that is a sweep stands for: `{ sweep = [1, 10, 100] }`, or `{ from = 1, to = 1000,
/// factor = 10 }` for the geometric progression up to `to`. Empty if it is no sweep. Throws
/// std::invalid_argument with what was expected.
std::vector<swept> values_of(std::string_view key, const toml::node& node);

/// The key of a sweep over how many cores a backend is held to.
swept of_cores(std::size_t cores);

}  // namespace overlap::bench
