// What run_rule() makes of rules that are kept, broken, hang, crash or end the process.
#include <overlap/conformance/run_rule.hpp>

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdexcept>
#include <sys/socket.h>

namespace {

using namespace overlap;
using namespace overlap::conformance;
using testing::HasSubstr;
using testing::IsEmpty;

verdict judge(void (*check)(), need needs = need::nothing, const abilities& able = {}) {
    return run_rule({"required_something", "It is so.", "somewhere.hpp", check, needs}, able,
                    std::chrono::seconds(2));
}

TEST(run_rule, a_rule_that_returns_is_kept) {
    const verdict result = judge([] {});
    EXPECT_EQ(result.what, outcome::kept);
    EXPECT_THAT(result.reason, IsEmpty());
}

TEST(run_rule, a_violation_says_what_was_seen_and_expected) {
    const verdict result = judge([] { expect_equal(3, 4, "legs"); });
    EXPECT_EQ(result.what, outcome::broken);
    EXPECT_THAT(result.reason, HasSubstr("seen: legs: 3; expected: 4 (run_rule_test.cpp:"));
}

TEST(run_rule, another_exception_breaks_the_rule) {
    const verdict result = judge([] { throw std::logic_error("no such thing"); });
    EXPECT_EQ(result.what, outcome::broken);
    EXPECT_THAT(result.reason, HasSubstr("no such thing"));
}

TEST(run_rule, a_hang_breaks_the_rule) {
    const verdict result = judge([] { ::pause(); });
    EXPECT_EQ(result.what, outcome::broken);
    EXPECT_THAT(result.reason, HasSubstr("still running after 2 s"));
}

TEST(run_rule, a_signal_breaks_the_rule_also_one_that_the_caller_ignores) {
    const auto before = std::signal(SIGPIPE, SIG_IGN);
    const verdict result = judge([] { ::raise(SIGPIPE); });
    std::signal(SIGPIPE, before);
    EXPECT_EQ(result.what, outcome::broken);
    EXPECT_THAT(result.reason, HasSubstr("Broken pipe"));
}

TEST(run_rule, ending_the_process_breaks_the_rule) {
    const verdict result = judge([] { ::_exit(7); });
    EXPECT_EQ(result.what, outcome::broken);
    EXPECT_THAT(result.reason, HasSubstr("exit code 7"));
}

TEST(run_rule, ending_the_process_without_an_error_breaks_the_rule_too) {
    EXPECT_EQ(judge([] { ::_exit(0); }).what, outcome::broken);
}

TEST(run_rule, processes_left_behind_are_ended) {
    // The grandchild holds its end of the stream open for as long as it lives.
    static int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    const verdict result = judge([] {
        ::close(ends[0]);
        if (::fork() == 0) ::pause();
    });
    ::close(ends[1]);
    char byte = 0;
    EXPECT_EQ(result.what, outcome::kept);
    EXPECT_EQ(::read(ends[0], &byte, 1), 0);
    ::close(ends[0]);
}

TEST(run_rule, a_need_that_is_not_met_is_not_a_pass) {
    const verdict result = judge([] {}, need::io, {.io = false});
    EXPECT_EQ(result.what, outcome::not_applicable);
    EXPECT_THAT(result.reason, HasSubstr("needs I/O"));
}

TEST(run_rule, a_rule_may_find_that_it_does_not_apply) {
    const verdict result = judge([] { throw does_not_apply("needs a tail"); });
    EXPECT_EQ(result.what, outcome::not_applicable);
    EXPECT_EQ(result.reason, "needs a tail");
}

TEST(run_rule, a_leak_breaks_the_rule_where_leaks_are_looked_for) {
    if (__lsan_do_recoverable_leak_check == nullptr) GTEST_SKIP() << "needs LeakSanitizer";
    const verdict result = judge([] {
        [[maybe_unused]] static volatile std::uintptr_t hidden = 0;
        hidden = ~reinterpret_cast<std::uintptr_t>(std::malloc(1'000));
    });
    EXPECT_EQ(result.what, outcome::broken);
    EXPECT_THAT(result.reason, HasSubstr("leaked"));
}

}  // namespace
