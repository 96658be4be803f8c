#include <overlap/core/child_process.hpp>
#include <overlap/core/forked_call.hpp>

#include <chrono>
#include <csignal>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using namespace overlap;
using namespace std::chrono_literals;

/// Longer than any limit here, and no test waits for it.
void sleep_long() { ::sleep(600); }

void block_all_signals() {
    sigset_t all;
    sigfillset(&all);
    ::sigprocmask(SIG_BLOCK, &all, nullptr);
}

TEST(describe_end, has_the_same_words_everywhere) {
    EXPECT_EQ(describe_end(0), "");
    EXPECT_EQ(describe_end(W_EXITCODE(3, 0)), "exited with 3");
    EXPECT_EQ(describe_end(W_EXITCODE(0, SIGKILL)), "was killed by signal 9 (Killed)");
}

TEST(child_process, that_throws_leaves_with_a_code_of_its_own_and_never_returns) {
    testing::internal::CaptureStderr();
    auto child = child_process::in_group([]() -> int { throw std::runtime_error("unforeseen"); });
    EXPECT_EQ(describe_end(child.wait()), "exited with 70");
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "a child process threw: unforeseen\n");
}

TEST(child_process, is_killed_with_its_owner_whatever_it_blocks) {
    pipe_ends line;
    {
        const auto child = child_process::in_group([] {
            block_all_signals();
            sleep_long();
            return 0;
        });
        line.write = unique_descriptor();
    }
    char nothing = 0;
    EXPECT_EQ(::read(line.read.get(), &nothing, 1), 0) << "somebody still has the other end";
}

TEST(child_process, takes_what_is_left_of_its_group_with_it) {
    pipe_ends line;
    auto child = child_process::in_group([] {
        if (::fork() == 0) sleep_long();
        return 0;
    });
    line.write = unique_descriptor();
    EXPECT_EQ(child.wait(), 0);
    char nothing = 0;
    EXPECT_EQ(::read(line.read.get(), &nothing, 1), 0) << "somebody still has the other end";
}

TEST(child_process, that_has_not_ended_in_time_goes_on) {
    pipe_ends line;
    auto child = child_process::in_group([&] {
        char go = 0;
        return ::read(line.read.get(), &go, 1) == 1 ? 5 : 1;
    });
    EXPECT_EQ(child.wait_until(child_process::clock::now() + 5ms), std::nullopt);
    ASSERT_EQ(::write(line.write.get(), "", 1), 1);
    const auto status = child.wait_until(child_process::clock::now() + 10min);
    ASSERT_TRUE(status);
    EXPECT_EQ(describe_end(*status), "exited with 5");
    EXPECT_FALSE(child.exists());
}

TEST(child_process, says_why_a_program_cannot_be_run) {
    pipe_ends errors;
    auto child = child_process::program({"no-such-program"}, {-1, -1, errors.write.get()});
    EXPECT_EQ(describe_end(child.wait()), "exited with 127");
    std::string words(200, '\0');
    const auto size = ::read(errors.read.get(), words.data(), words.size());
    ASSERT_GT(size, 0);
    words.resize(static_cast<std::size_t>(size));
    EXPECT_EQ(words, "cannot run no-such-program in .: No such file or directory\n");
}

TEST(forked_call, is_over_at_its_limit_though_all_signals_are_blocked) {
    const auto result = forked_call(
        []() -> std::string {
            block_all_signals();
            sleep_long();
            return "came back";
        },
        1s);
    EXPECT_TRUE(result.hung);
    EXPECT_EQ(result.message, "");
}

TEST(forked_call, is_over_at_its_limit_though_the_process_has_stopped_itself) {
    const auto result = forked_call(
        []() -> std::string {
            ::raise(SIGSTOP);
            return "came back";
        },
        1s);
    EXPECT_TRUE(result.hung);
}

TEST(forked_call, does_not_wait_for_a_daemon_that_has_kept_the_pipe) {
    pipe_ends life;
    const auto result = forked_call(
        [&]() -> std::string {
            if (::fork() == 0) {
                ::setsid();
                life.write = unique_descriptor();
                char end = 0;  // Of the test: then its other end is closed.
                [[maybe_unused]] const auto read = ::read(life.read.get(), &end, 1);
                ::_exit(0);
            }
            ::abort();
        },
        600s);
    EXPECT_FALSE(result.hung);
    EXPECT_EQ(describe_end(result.status), "was killed by signal 6 (Aborted)");
    EXPECT_EQ(result.message, "");
}

}  // namespace
