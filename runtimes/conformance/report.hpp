// The kit as a program: judges rules one by one, says in lines of text how each went, and closes
// with a line that counts them. No test framework.
#pragma once

#include <overlap/conformance/run_rule.hpp>
#include <overlap/core/event_loop.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <exception>
#include <getopt.h>
#include <iomanip>
#include <iostream>
#include <ostream>
#include <regex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace overlap::conformance {

/// Something that has rules to keep. A program may check several, each under a key of its own.
struct subject {
    std::string key;   ///< For --subject.
    std::string name;  ///< In what is printed.
    std::vector<rule> rules;
    abilities able = {};
    availability here = {};  ///< Why it cannot be judged on this machine, if so.
};

/// Exit codes of check_main(). ctest counts the last as skipped when it is told to: SKIP_RETURN_CODE.
inline constexpr int exit_kept = 0;
inline constexpr int exit_broken = 1;
inline constexpr int exit_bad_usage = 2;
inline constexpr int exit_not_available = 77;

/// What of the rules is judged, and how.
struct report_options {
    std::string filter = {};                ///< ECMAScript regex, searched for in rules' names.
    bool list_only = false;                 ///< Names and sentences; nothing is judged.
    std::chrono::seconds limit = patience;  ///< After which a rule counts as hung.
};

[[nodiscard]] inline bool is_optional(const rule& which) noexcept {
    return which.name.starts_with("optional_");
}

namespace detail {

/// How the rules of one report went.
struct tally {
    std::size_t kept = 0;
    std::size_t broken = 0;
    std::size_t optional_broken = 0;  // Among the broken.
    std::size_t not_applicable = 0;

    void count(const rule& which, const verdict& result) {
        kept += result.what == outcome::kept;
        broken += result.what == outcome::broken;
        optional_broken += result.what == outcome::broken && is_optional(which);
        not_applicable += result.what == outcome::not_applicable;
    }
};

/// One line for a rule that is kept or does not apply, and describe() for one that is broken.
inline void print_verdict(std::ostream& out, const rule& which, const verdict& result) {
    const auto begin = [&out](std::string_view word) -> std::ostream& {
        return out << std::left << std::setw(16) << word;
    };
    switch (result.what) {
    case outcome::kept:
        begin("kept") << which.name;
        break;
    case outcome::not_applicable:
        begin("not applicable") << which.name << " (" << result.reason << ')';
        break;
    case outcome::broken:
        begin(is_optional(which) ? "broken" : "BROKEN") << describe(which, result);
        break;
    }
    out << '\n' << std::flush;
}

}  // namespace detail

/// Those of `rules` that the filter lets through. Throws std::regex_error for a bad one.
[[nodiscard]] inline std::vector<rule> select(const std::vector<rule>& rules,
                                              const std::string& filter) {
    const std::regex wanted(filter);
    std::vector<rule> selected;
    for (const rule& each : rules) {
        if (std::regex_search(each.name.begin(), each.name.end(), wanted)) selected.push_back(each);
    }
    return selected;
}

/// Judges the rules that what is called `name` has to keep, and writes to `out` how each went and,
/// in the last line, how many were kept, broken and not applicable. Returns exit_broken if one that
/// is not optional was broken, otherwise exit_kept. Call it where run_rule() may be called; throws
/// what that does, and std::regex_error for a bad filter.
inline int report(std::string_view name, const std::vector<rule>& rules, const abilities& able,
                  std::ostream& out, const report_options& options = {}) {
    const std::vector<rule> selected = select(rules, options.filter);
    out << name << ": " << selected.size() << (selected.size() == 1 ? " rule\n" : " rules\n");
    if (options.list_only) {
        for (const rule& each : selected) {
            out << each.name << "\n  " << each.contract << " (" << each.where << ")\n";
        }
        return exit_kept;
    }
    detail::tally all;
    for (const rule& each : selected) {
        const verdict result = run_rule(each, able, options.limit);
        detail::print_verdict(out, each, result);
        all.count(each, result);
    }
    if (all.optional_broken > 0) {
        out << all.optional_broken << " of the broken optional: the best keep it, others may not\n";
    }
    out << all.kept << " kept, " << all.broken << " broken, " << all.not_applicable
        << " not applicable\n"
        << std::flush;
    return all.broken > all.optional_broken ? exit_broken : exit_kept;
}

namespace detail {

inline constexpr std::string_view usage =
    "  --list              names the rules and what they check; judges none\n"
    "  --subject KEY       only one of what is checked, by the key in brackets above\n"
    "  --filter REGEX      only rules whose names it is found in\n"
    "  --patience SECONDS  after which a rule counts as hung (default: 20)\n"
    "  --help              this\n"
    "Exit code: 0 all kept, but for optional rules; 1 some broken; 2 bad usage; 77 not available\n";

/// What the command line asks for beyond report_options.
struct command_line {
    report_options options;
    std::string subject;  // A key; empty for all.
    bool help = false;
    std::string mistake;  // In words; empty if there is none.
};

inline std::chrono::seconds to_patience(std::string_view digits) {
    constexpr unsigned longest = 86'400;
    unsigned seconds = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), seconds);
    const bool whole = error == std::errc{} && end == digits.data() + digits.size();
    return std::chrono::seconds(whole && seconds <= longest ? seconds : 0);
}

inline command_line parse(int argc, char** argv) {
    enum : int { list = 1, filter, limit, subject, help };
    constexpr option known[] = {{"list", no_argument, nullptr, list},
                                {"filter", required_argument, nullptr, filter},
                                {"patience", required_argument, nullptr, limit},
                                {"subject", required_argument, nullptr, subject},
                                {"help", no_argument, nullptr, help},
                                {}};
    command_line parsed;
    opterr = 0;
    optind = 0;  // getopt(3): so that it begins anew.
    for (;;) {
        switch (const int next = ::getopt_long_only(argc, argv, ":", known, nullptr); next) {
        case list:
            parsed.options.list_only = true;
            break;
        case filter:
            parsed.options.filter = optarg;
            break;
        case limit:
            parsed.options.limit = to_patience(optarg);
            if (parsed.options.limit.count() == 0) {
                parsed.mistake = text("--patience ", optarg,
                                      ": expected whole seconds from 1 to 86400, e.g. 20");
            }
            break;
        case subject:
            parsed.subject = optarg;
            break;
        case help:
            parsed.help = true;
            break;
        case -1:
            if (optind < argc) parsed.mistake = text("unexpected argument ", argv[optind]);
            return parsed;
        default:
            parsed.mistake = text(next == ':' ? "a value is missing after " : "unknown option ",
                                  argv[optind - 1]);
            return parsed;
        }
        if (!parsed.mistake.empty()) return parsed;
    }
}

/// Those of `subjects` that were asked for and have rules that the filter lets through. Throws
/// std::invalid_argument, in words, when there are none.
inline std::vector<subject> select(std::vector<subject> subjects, const command_line& asked) {
    const std::string quoted = '\'' + asked.options.filter + '\'';
    std::string keys;
    for (const subject& each : subjects) keys += (keys.empty() ? "" : ", ") + each.key;
    std::erase_if(subjects, [&](const subject& each) {
        return !asked.subject.empty() && asked.subject != each.key;
    });
    if (subjects.empty()) {
        throw std::invalid_argument(
            text("no subject is called '", asked.subject, "'; there are: ", keys));
    }
    try {
        std::erase_if(subjects, [&](const subject& each) {
            return conformance::select(each.rules, asked.options.filter).empty();
        });
    } catch (const std::regex_error& error) {
        throw std::invalid_argument(
            text("--filter ", quoted, " is no regular expression: ", error.what()));
    }
    if (subjects.empty()) {
        throw std::invalid_argument(
            text("no rule's name matches --filter ", quoted, " (--list names them)"));
    }
    return subjects;
}

/// Reports on one subject, or says in a line why it cannot.
inline int check(const subject& which, const report_options& options) {
    if (!which.here && !options.list_only) {
        std::cout << which.name << " is not available here: " << which.here.reason << '\n';
        return exit_not_available;
    }
    try {
        return report(which.name, which.rules, which.able, std::cout, options);
    } catch (const std::system_error& error) {
        std::cerr << "check of " << which.name << ": a rule could not be judged: " << error.what()
                  << '\n';
        return exit_broken;
    }
}

inline void print_help(std::string_view name, const std::vector<subject>& subjects) {
    std::cout << "Checks that " << name << " keeps its contract.\n";
    for (const subject& each : subjects) {
        std::cout << "  [" << each.key << "] " << each.name << '\n';
    }
    std::cout << usage;
}

}  // namespace detail

/// What main() of a program that checks loops or runtimes returns: reads the command line (see
/// --help), and reports on standard output, on one subject after the other. `name` is what the
/// program calls all of them together. A subject that is not available is one line, and
/// exit_not_available if no other was judged; a bad command line is one line on standard error and
/// exit_bad_usage; otherwise a broken subject is exit_broken.
inline int check_main(int argc, char** argv, std::string_view name,
                      const std::vector<subject>& subjects) {
    const auto refuse = [&](const std::string& why) {
        std::cerr << "check of " << name << ": " << why << "; --help says what there is\n";
        return exit_bad_usage;
    };
    const detail::command_line asked = detail::parse(argc, argv);
    if (asked.help) {
        detail::print_help(name, subjects);
        return exit_kept;
    }
    if (!asked.mistake.empty()) return refuse(asked.mistake);
    try {
        std::vector<int> codes;
        for (const subject& each : detail::select(subjects, asked)) {
            codes.push_back(detail::check(each, asked.options));
        }
        if (std::ranges::count(codes, exit_broken) > 0) return exit_broken;
        return std::ranges::count(codes, exit_kept) > 0 ? exit_kept : exit_not_available;
    } catch (const std::invalid_argument& error) {
        return refuse(error.what());
    }
}

/// The same for one loop or runtime: `here` says why it is not available, if so.
inline int check_main(int argc, char** argv, std::string_view name, const std::vector<rule>& rules,
                      const abilities& able = {}, const availability& here = {}) {
    const std::string only(name);
    return check_main(argc, argv, name, std::vector<subject>{{only, only, rules, able, here}});
}

}  // namespace overlap::conformance
