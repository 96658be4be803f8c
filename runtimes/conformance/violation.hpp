// What a rule of the conformance kit is, and how it says that it was broken. No test framework.
#pragma once

#include <source_location>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace overlap::conformance {

/// What was seen is not what the contract says. what() is both in one line, with the rule's source.
class violation : public std::runtime_error {
public:
    violation(std::string_view seen, std::string_view expected,
              std::source_location place = std::source_location::current())
        : std::runtime_error(compose(seen, expected, place)) {}

private:
    static std::string compose(std::string_view seen, std::string_view expected,
                               const std::source_location& place) {
        std::string_view file = place.file_name();
        file.remove_prefix(file.rfind('/') + 1);
        std::ostringstream line;
        line << "seen: " << seen << "; expected: " << expected << " (" << file << ':'
             << place.line() << ')';
        return line.str();
    }
};

/// Thrown by a rule that finds that it asks for more than the thing under test has. what() says what
/// that is.
class does_not_apply : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Joins what can be written to a stream into one string: text("byte ", 3, " of ", 5).
template <class... Parts>
[[nodiscard]] std::string text(const Parts&... parts) {
    std::ostringstream stream;
    (stream << ... << parts);
    return stream.str();
}

/// Throws a violation unless `holds`.
inline void expect(bool holds, std::string_view seen, std::string_view expected,
                   std::source_location place = std::source_location::current()) {
    if (!holds) throw violation(seen, expected, place);
}

/// Throws a violation unless `seen == expected`; `what` names the thing compared. Both are written
/// to a stream, and only when they differ, so that a rule may compare 100,000 things.
template <class Seen, class Expected>
void expect_equal(const Seen& seen, const Expected& expected, std::string_view what,
                  std::source_location place = std::source_location::current()) {
    if (!(seen == expected)) throw violation(text(what, ": ", seen), text(expected), place);
}

/// What a rule asks for beyond the calls of the contract. A rule whose need is not met is reported
/// as not applicable, never as kept.
enum class need {
    nothing,
    io,                 ///< submit() works: not so on a loop whose clock is virtual
    real_time,          ///< the clock moves by itself, also while operations run
    counted_allocation  ///< the program is linked with count_allocations.cpp
};

/// One sentence of a contract, and a function that throws when it is not kept. The name's first
/// word says what a failure means: `required_` rules must be kept; `optional_` ones are kept by
/// the best; `stochastic_` ones are required too, but look for a race, so that passing once proves
/// little.
struct rule {
    std::string_view name;      ///< The function's name.
    std::string_view contract;  ///< What the rule checks, in the contract's words.
    std::string_view where;     ///< The file that says so, as it is included.
    void (*check)();            ///< Throws a violation, or what the thing under test threw.
    need needs = need::nothing;
};

namespace detail {
/// "name", of what compilers write of this function: "... Check)() = name<my::loop>; ...]" and
/// "... [Check = &overlap::conformance::name]".
template <void (*Check)()>
consteval std::string_view name_of() {
    std::string_view words = __PRETTY_FUNCTION__;
    words.remove_prefix(words.find("= ") + 2);
    words = words.substr(0, words.find_first_of("<;]"));
    return words.substr(words.find_last_of("&: ") + 1);
}
}  // namespace detail

/// The rule that the function `Check` is, under its name.
template <void (*Check)()>
constexpr rule rule_of(std::string_view contract, std::string_view where,
                       need needs = need::nothing) {
    return {detail::name_of<Check>(), contract, where, Check, needs};
}

}  // namespace overlap::conformance
