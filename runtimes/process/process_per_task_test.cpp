#include <overlap/process/process_per_task.hpp>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

namespace {

using namespace overlap;
using namespace std::chrono_literals;

TEST(process_per_task, each_task_has_a_process_of_its_own) {
    const auto ids = process_per_task::gather(20, [](std::size_t) { return ::getpid(); });
    const std::set<pid_t> distinct(ids.begin(), ids.end());
    EXPECT_EQ(distinct.size(), 20U);
    EXPECT_FALSE(distinct.contains(::getpid()));
}

TEST(process_per_task, a_gather_inside_a_task_forks_again) {
    process_per_task runtime;
    const auto children = runtime.gather(3, [&runtime](std::size_t) {
        const auto parents = runtime.gather(3, [](std::size_t) { return ::getppid(); });
        return std::ranges::all_of(parents, [](pid_t id) { return id == ::getpid(); });
    });
    EXPECT_TRUE(std::ranges::all_of(children, [](bool mine) { return mine; }));
}

TEST(process_per_task, names_the_process_that_died) {
    try {
        process_per_task::gather(30, [](std::size_t index) {
            if (index == 20) throw std::runtime_error("later");
            if (index == 17) std::raise(SIGKILL);
            if (index == 18) ::_exit(0);
        });
        FAIL() << "nothing was thrown";
    } catch (const worker_died& error) {
        EXPECT_THAT(error.what(),
                    testing::MatchesRegex("process [0-9]+ was killed by signal 9 \\(Killed\\) "
                                          "while it ran task 17"));
    }
    EXPECT_EQ(process_per_task::gather(2, [](std::size_t index) { return index; }).back(), 1U);
}

TEST(process_per_task, a_death_in_a_nested_gather_reaches_the_outer_one) {
    const auto die_below = [] {
        process_per_task::gather(2, [](std::size_t) {
            process_per_task::gather(4, [](std::size_t index) {
                if (index == 3) std::abort();
            });
        });
    };
    EXPECT_THROW(die_below(), worker_died);
}

TEST(process_per_task, leaves_the_children_of_others_alone) {
    const pid_t mine = ::fork();
    if (mine == 0) ::_exit(42);
    process_per_task::gather(10, [](std::size_t) {});
    const int status = wait_for(mine);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 42);
}

TEST(process_per_task, refuses_a_process_that_has_threads) {
    const std::jthread other([](const std::stop_token& stop) {
        while (!stop.stop_requested()) std::this_thread::sleep_for(1ms);
    });
    EXPECT_THROW(process_per_task::gather(1, [](std::size_t) {}), std::logic_error);
}

TEST(process_per_task, prints_once_what_was_buffered_and_what_tasks_print) {
    testing::internal::CaptureStdout();
    std::printf("before ");
    process_per_task::gather(3, [](std::size_t) { std::printf("task "); });
    EXPECT_EQ(testing::internal::GetCapturedStdout(), "before task task task ");
}

TEST(process_per_task, estimates_a_limit_that_the_machine_can_keep) {
    EXPECT_GE(process_per_task::task_limit(), 100U);
    EXPECT_LE(process_per_task::task_limit(), std::size_t{4'194'304});  // The most pids of Linux.
}

/// Gathers more tasks than this user may have processes, says what became of it on stderr, then
/// gathers a few. For a process that may be ended afterwards.
[[noreturn]] void meet_limit() {
    if (::setuid(61'002) != 0) std::perror("setuid");
    const rlimit limit{.rlim_cur = 20, .rlim_max = 20};
    if (::setrlimit(RLIMIT_NPROC, &limit) != 0) std::perror("setrlimit");
    try {
        process_per_task::gather(100, [](std::size_t) { std::this_thread::sleep_for(500ms); });
        std::fprintf(stderr, "no limit was met\n");
    } catch (const limit_error& error) {
        std::fprintf(stderr, "%s\n", error.what());
    }
    const auto after = process_per_task::gather(3, [](std::size_t index) { return index; });
    std::_Exit(after.size() == 3 ? 0 : 1);
}

TEST(process_per_task, names_the_limit_on_the_processes_of_a_user) {
    if (::getuid() != 0) GTEST_SKIP() << "needs root, to become a user of no other processes";
    EXPECT_EXIT(meet_limit(), testing::ExitedWithCode(0),
                "process_per_task: process [0-9]+ of 100 could not be created .*"
                "RLIMIT_NPROC \\(ulimit -u\\) is 20");
}

}  // namespace
