#include <overlap/core/sanitizers.hpp>
#include <overlap/thread_pool/thread_per_task.hpp>

#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

namespace {

using overlap::limit_error;
using overlap::sanitized;
using overlap::thread_per_task;
using namespace std::chrono_literals;

TEST(thread_per_task, each_task_has_a_thread_and_all_are_in_flight) {
    constexpr std::size_t n = 50;
    std::barrier all_are_here(n);
    const auto threads = thread_per_task::gather(n, [&](std::size_t) {
        all_are_here.arrive_and_wait();
        return ::gettid();
    });
    EXPECT_EQ(std::set(threads.begin(), threads.end()).size(), n);
}

TEST(thread_per_task, a_deadline_that_has_passed_is_no_error) {
    using overlap::time_point;
    for (const time_point passed : {time_point{}, time_point{} - 1s, time_point::min()}) {
        EXPECT_NO_THROW(thread_per_task::sleep_until(passed));
    }
}

TEST(thread_per_task, estimates_a_limit_that_the_machine_can_keep) {
    EXPECT_GE(thread_per_task::task_limit(), 100U);
    EXPECT_LE(thread_per_task::task_limit(), std::size_t{4'194'304});  // The most pids of Linux.
}

/// Gathers tasks that wait until no more can be started, says what became of it on stderr, then
/// gathers a few. For a process that may be ended afterwards.
[[noreturn]] void meet_limit() {
    std::atomic<std::size_t> started = 0;
    std::atomic<std::size_t> ended = 0;
    try {
        thread_per_task::gather(5'000, [&](std::size_t) {
            ++started;
            std::this_thread::sleep_for(500ms);
            ++ended;
        });
        std::fprintf(stderr, "no limit was met\n");
    } catch (const limit_error& error) {
        std::fprintf(stderr, "%s\n", error.what());
    }
    const auto after = thread_per_task::gather(3, [](std::size_t index) { return index; });
    std::_Exit(started > 0 && started == ended && after.size() == 3 ? 0 : 1);
}

void limit_to(__rlimit_resource resource, rlim_t value) {
    const rlimit limit{.rlim_cur = value, .rlim_max = value};
    if (::setrlimit(resource, &limit) != 0) std::perror("setrlimit");
}

TEST(thread_per_task, names_the_limit_on_the_threads_of_a_user) {
    if (::getuid() != 0) GTEST_SKIP() << "needs root, to become a user of no other processes";
    EXPECT_EXIT(
        {
            if (::setuid(61'001) != 0) std::perror("setuid");
            limit_to(RLIMIT_NPROC, 20);
            meet_limit();
        },
        testing::ExitedWithCode(0),
        "thread_per_task: kernel thread [0-9]+ of 5000 could not be created .*"
        "RLIMIT_NPROC \\(ulimit -u\\) is 20");
}

TEST(thread_per_task, names_the_limit_on_address_space) {
    if (sanitized) GTEST_SKIP() << "a sanitizer's shadow memory is above any limit";
    EXPECT_EXIT(
        {
            limit_to(RLIMIT_AS, 512U << 20U);
            meet_limit();
        },
        testing::ExitedWithCode(0), "RLIMIT_AS \\(ulimit -v, in bytes\\) is 536870912");
}

}  // namespace
