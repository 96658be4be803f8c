// What the kit prints and returns as a program: report() and check_main().
#include <overlap/conformance/report.hpp>

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iostream>
#include <sstream>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

using namespace overlap;
using namespace overlap::conformance;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

void keep() {}
void break_it() { expect_equal(3, 4, "legs"); }

constexpr rule kept{"required_tail", "There is a tail.", "cat.hpp", &keep};
constexpr rule broken{"required_legs", "There are four legs.", "cat.hpp", &break_it};
constexpr rule optional_broken{"optional_purr", "It purrs.", "cat.hpp", &break_it};
constexpr rule stochastic_broken{"stochastic_fall", "It lands on its feet.", "cat.hpp", &break_it};
constexpr rule needs_io{"required_io", "It reads.", "cat.hpp", &keep, need::io};
constexpr rule hanging{"required_end", "It ends.", "cat.hpp", [] { ::pause(); }};

struct printed {
    int code;
    std::string out;
    std::string error = {};
};

printed report_of(const std::vector<rule>& rules, const report_options& options = {}) {
    std::ostringstream out;
    const int code = report("cat", rules, {.io = false}, out, options);
    return {.code = code, .out = out.str()};
}

/// Catches what is written to a standard stream.
class caught {
public:
    explicit caught(std::ostream& stream) : stream_(stream), before_(stream.rdbuf(text_.rdbuf())) {}
    ~caught() { stream_.rdbuf(before_); }
    caught(const caught&) = delete;
    caught& operator=(const caught&) = delete;

    [[nodiscard]] std::string text() const { return text_.str(); }

private:
    std::ostringstream text_;
    std::ostream& stream_;
    std::streambuf* before_;
};

/// What `main_of(argc, argv)` prints and returns for a command line.
template <class Main>
printed check_with(std::vector<std::string> arguments, Main main_of) {
    arguments.insert(arguments.begin(), "check_cat");
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const caught out(std::cout);
    const caught error(std::cerr);
    const int code = main_of(static_cast<int>(arguments.size()), argv.data());
    return {.code = code, .out = out.text(), .error = error.text()};
}

printed check(std::vector<std::string> arguments, const std::vector<rule>& rules,
              const availability& here = {}) {
    return check_with(std::move(arguments), [&](int argc, char** argv) {
        return check_main(argc, argv, "cat", rules, {}, here);
    });
}

TEST(report, a_line_a_rule_and_one_that_counts) {
    const auto [code, out, error] = report_of({kept, needs_io});
    EXPECT_EQ(code, exit_kept);
    EXPECT_EQ(out, "cat: 2 rules\n"
                   "kept            required_tail\n"
                   "not applicable  required_io (needs I/O)\n"
                   "1 kept, 0 broken, 1 not applicable\n");
}

TEST(report, a_broken_rule_says_what_was_seen_and_what_the_contract_says) {
    const auto [code, out, error] = report_of({broken, kept});
    EXPECT_EQ(code, exit_broken);
    EXPECT_THAT(out, StartsWith("cat: 2 rules\n"
                                "BROKEN          required_legs\n"
                                "  seen: legs: 3; expected: 4 (report_test.cpp:"));
    EXPECT_THAT(out, EndsWith("  contract: There are four legs.\n"
                              "  written in: cat.hpp\n"
                              "kept            required_tail\n"
                              "1 kept, 1 broken, 0 not applicable\n"));
}

TEST(report, an_optional_rule_may_be_broken) {
    const auto [code, out, error] = report_of({optional_broken, kept});
    EXPECT_EQ(code, exit_kept);
    EXPECT_THAT(out, AllOf(HasSubstr("broken          optional_purr\n"),
                           EndsWith("1 of the broken optional: the best keep it, others may not\n"
                                    "1 kept, 1 broken, 0 not applicable\n")));
}

TEST(report, a_required_rule_broken_beside_an_optional_one_counts) {
    EXPECT_EQ(report_of({optional_broken, broken}).code, exit_broken);
}

TEST(report, a_stochastic_rule_may_not_be_broken) {
    EXPECT_EQ(report_of({stochastic_broken}).code, exit_broken);
}

TEST(report, the_filter_is_searched_for_in_names) {
    const auto [code, out, error] = report_of({kept, broken}, {.filter = "^required_t|nobody"});
    EXPECT_EQ(code, exit_kept);
    EXPECT_THAT(out, Not(HasSubstr("required_legs")));
    EXPECT_THAT(out, EndsWith("1 kept, 0 broken, 0 not applicable\n"));
}

TEST(report, a_list_judges_nothing) {
    const auto [code, out, error] = report_of({broken}, {.list_only = true});
    EXPECT_EQ(code, exit_kept);
    EXPECT_EQ(out, "cat: 1 rule\nrequired_legs\n  There are four legs. (cat.hpp)\n");
}

TEST(check_main, judges_every_rule) {
    const auto [code, out, error] = check({}, {kept, broken});
    EXPECT_EQ(code, exit_broken);
    EXPECT_THAT(out, EndsWith("1 kept, 1 broken, 0 not applicable\n"));
    EXPECT_THAT(error, IsEmpty());
}

TEST(check_main, takes_a_filter_in_either_form) {
    EXPECT_EQ(check({"--filter", "tail"}, {kept, broken}).code, exit_kept);
    EXPECT_EQ(check({"--filter=legs"}, {kept, broken}).code, exit_broken);
}

TEST(check_main, patience_is_how_long_a_rule_may_take) {
    const auto [code, out, error] = check({"--patience", "1"}, {hanging});
    EXPECT_EQ(code, exit_broken);
    EXPECT_THAT(out, HasSubstr("seen: still running after 1 s (hung)"));
}

TEST(check_main, what_is_not_available_is_skipped_in_words) {
    const auto [code, out, error] = check({}, {broken}, {"no cat here"});
    EXPECT_EQ(code, exit_not_available);
    EXPECT_EQ(out, "cat is not available here: no cat here\n");
}

TEST(check_main, rules_are_listed_also_of_what_is_not_available) {
    const auto [code, out, error] = check({"--list"}, {broken}, {"no cat here"});
    EXPECT_EQ(code, exit_kept);
    EXPECT_THAT(out, HasSubstr("required_legs\n"));
}

TEST(check_main, help_names_every_option) {
    const auto [code, out, error] = check({"--help"}, {broken});
    EXPECT_EQ(code, exit_kept);
    for (const char* each : {"--list", "--filter", "--patience"}) EXPECT_THAT(out, HasSubstr(each));
}

/// A bad command line is refused in one line that says `what`, and nothing is judged.
void expect_refused(const std::vector<std::string>& arguments, const std::string& what) {
    const auto [code, out, error] = check(arguments, {kept});
    EXPECT_EQ(code, exit_bad_usage);
    EXPECT_THAT(out, IsEmpty());
    EXPECT_THAT(error, AllOf(StartsWith("check of cat: "), HasSubstr(what), HasSubstr("--help")));
    EXPECT_EQ(std::ranges::count(error, '\n'), 1) << error;
}

TEST(check_main, bad_command_lines_are_refused_in_one_line) {
    expect_refused({"--fast"}, "unknown option --fast");
    expect_refused({"--list", "-xy"}, "unknown option -xy");
    expect_refused({"tail"}, "unexpected argument tail");
    expect_refused({"--list", "--filter"}, "a value is missing after --filter");
    expect_refused({"--filter", "("}, "'(' is no regular expression");
    expect_refused({"--filter", "dog"}, "no rule's name matches --filter 'dog'");
    for (const char* bad : {"0", "-1", "1.5", "soon", "", "86401", "99999999999"}) {
        expect_refused({"--patience", bad}, "expected whole seconds");
    }
}

const std::vector<subject> cats{{"tabby", "a tabby", {kept, broken}},
                                {"manx", "a manx", {kept, optional_broken}}};

printed check_cats(std::vector<std::string> arguments,
                   const std::vector<subject>& subjects = cats) {
    return check_with(std::move(arguments), [&](int argc, char** argv) {
        return check_main(argc, argv, "cats", subjects);
    });
}

TEST(check_main, judges_one_subject_after_another) {
    const auto [code, out, error] = check_cats({});
    EXPECT_EQ(code, exit_broken);
    EXPECT_THAT(out, AllOf(StartsWith("a tabby: 2 rules\n"), HasSubstr("\na manx: 2 rules\n")));
    EXPECT_THAT(error, IsEmpty());
}

TEST(check_main, judges_one_of_several_subjects_by_its_key) {
    const auto [code, out, error] = check_cats({"--subject", "manx"});
    EXPECT_EQ(code, exit_kept);
    EXPECT_THAT(out, AllOf(StartsWith("a manx: 2 rules\n"), Not(HasSubstr("tabby"))));
    EXPECT_THAT(check_cats({"--help"}).out,
                AllOf(HasSubstr("[tabby] a tabby\n"), HasSubstr("[manx] a manx\n")));
}

TEST(check_main, leaves_out_subjects_without_a_rule_that_the_filter_lets_through) {
    const auto [code, out, error] = check_cats({"--filter", "purr"});
    EXPECT_EQ(code, exit_kept);
    EXPECT_THAT(out, AllOf(StartsWith("a manx: 1 rule\n"), Not(HasSubstr("tabby"))));
}

TEST(check_main, refuses_a_subject_that_is_not_there) {
    const auto [code, out, error] = check_cats({"--subject", "dog"});
    EXPECT_EQ(code, exit_bad_usage);
    EXPECT_THAT(error, HasSubstr("no subject is called 'dog'; there are: tabby, manx"));
}

TEST(check_main, is_not_available_only_when_no_subject_is) {
    const availability asleep{"asleep"};
    const subject sleeping{"manx", "a manx", {kept}, {}, asleep};
    EXPECT_EQ(check_cats({}, {sleeping, {"tabby", "a tabby", {kept}}}).code, exit_kept);
    const auto [code, out, error] = check_cats({}, {sleeping});
    EXPECT_EQ(code, exit_not_available);
    EXPECT_EQ(out, "a manx is not available here: asleep\n");
}

}  // namespace
