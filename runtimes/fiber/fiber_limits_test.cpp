// What happens when there is no more: memory for stacks, mappings, or room on a stack.
#include <overlap/core/sanitizers.hpp>
#include <overlap/fiber/fiber.hpp>
#include <overlap/loops/poll.hpp>
#include <overlap/loops/virtual_time.hpp>

#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

namespace {

using namespace overlap;

/// What a gather of n tasks that sleep throws; they count themselves. Empty if it throws nothing. In
/// virtual time they sleep until no more can be started.
template <class Runtime>
std::string refusal(Runtime& runtime, std::size_t n, std::size_t& started, std::size_t& ended) {
    try {
        runtime.run([&] {
            runtime.gather(n, [&](std::size_t) {
                ++started;
                runtime.sleep_for(std::chrono::seconds(1));
                ++ended;
            });
        });
    } catch (const limit_error& error) {
        return error.what();
    }
    return {};
}

[[noreturn]] void gather_in_half_a_gigabyte() {
    const rlimit limit{.rlim_cur = std::size_t{512} << 20, .rlim_max = std::size_t{512} << 20};
    ::setrlimit(RLIMIT_AS, &limit);
    virtual_time_loop loop;
    fiber<virtual_time_loop> runtime(loop);
    for (int round = 0; round < 3; ++round) {
        std::size_t started = 0;
        std::size_t ended = 0;
        const std::string line = refusal(runtime, 100'000, started, ended);
        std::fprintf(stderr, "%zu started: %s\n", started, line.c_str());
        if (line.empty() || started < 1'000 || ended != started) ::_exit(1);
        started = ended = 0;
        if (!refusal(runtime, 1'000, started, ended).empty() || ended != 1'000) ::_exit(2);
    }
    ::_exit(0);
}

TEST(fiber_limits, memory_refused_for_stacks_is_one_clear_line_and_the_rest_goes_on) {
    if (sanitized) GTEST_SKIP() << "needs terabytes of address space";
    EXPECT_EXIT(gather_in_half_a_gigabyte(), testing::ExitedWithCode(0),
                "no memory for more fiber stacks: mmap of .* refused");
}

TEST(fiber_limits, too_little_spare_memory_is_said_before_the_machine_has_none) {
    poll_loop loop;
    fiber<poll_loop> runtime(loop, {.spare_memory = std::size_t{1} << 50});
    EXPECT_EQ(runtime.task_limit(), 0U);
    EXPECT_THROW(runtime.run([] {}), limit_error);
    EXPECT_THROW(runtime.run([] {}), limit_error) << "and again";
}

TEST(fiber_limits, mappings_limit_fibers_where_the_kernel_cannot_install_guards) {
    if (sanitized) GTEST_SKIP() << "which need mappings themselves";
    const std::size_t allowed = detail::number_in("/proc/sys/vm/max_map_count").value();
    if (allowed > 200'000) GTEST_SKIP() << "vm.max_map_count is " << allowed;
    virtual_time_loop loop;
    fiber<virtual_time_loop> runtime(loop, {.guards = fibers::guard_kind::mprotect});
    EXPECT_LE(runtime.task_limit(), allowed / 2);
    std::size_t started = 0;
    std::size_t ended = 0;
    const std::string line = refusal(runtime, allowed, started, ended);
    EXPECT_NE(line.find("vm.max_map_count is " + std::to_string(allowed)), std::string::npos)
        << line;
    EXPECT_GT(started, allowed / 2 - 1'000);
    EXPECT_EQ(ended, started);
}

TEST(fiber_limits, tasks_that_can_be_in_flight_are_counted) {
    poll_loop loop;
    fiber<poll_loop> runtime(loop);
    const std::size_t limit = runtime.task_limit();
    EXPECT_GT(limit, 1'000U);
    EXPECT_LT(limit, std::size_t{1} << 40);
}

TEST(fiber_limits, an_exception_of_a_task_goes_before_the_limit_that_later_ones_met) {
    if (sanitized) GTEST_SKIP() << "which need mappings themselves";
    const std::size_t allowed = detail::number_in("/proc/sys/vm/max_map_count").value();
    if (allowed > 200'000) GTEST_SKIP() << "vm.max_map_count is " << allowed;
    virtual_time_loop loop;
    fiber<virtual_time_loop> runtime(loop, {.guards = fibers::guard_kind::mprotect});
    const auto failing = [&](std::size_t index) {
        runtime.sleep_for(std::chrono::seconds(1));
        if (index == 3) throw std::invalid_argument("3");
    };
    EXPECT_THROW(runtime.run([&] { runtime.gather(allowed, failing); }), std::invalid_argument);
}

// NOLINTNEXTLINE(misc-no-recursion): that is what overflows a stack.
[[gnu::noinline]] std::size_t dive(std::size_t depth) {
    volatile std::size_t frame[64] = {};
    frame[depth % 64] = depth;
    return depth == 0 ? 0 : dive(depth - 1) + frame[depth % 64];
}

TEST(fiber_limits, a_task_may_use_the_stack_it_was_promised) {
    poll_loop loop;
    fiber<poll_loop> runtime(loop, {.stack_size = std::size_t{8} << 20});
    const std::size_t depth = sanitized ? 1'000 : 10'000;  // 5 MiB.
    EXPECT_EQ(runtime.run([&] { return dive(depth); }), depth * (depth + 1) / 2);
}

TEST(fiber_limits, a_task_that_overflows_its_stack_meets_the_guard) {
    const auto overflow = [] {
        poll_loop loop;
        fiber<poll_loop> runtime(loop);
        runtime.run(
            [&] { runtime.gather(3, [&](std::size_t) { return dive(std::size_t{1} << 30); }); });
    };
    if (sanitized) {
        EXPECT_DEATH(overflow(), "");
    } else {
        EXPECT_EXIT(overflow(), testing::KilledBySignal(SIGSEGV), "");
    }
}

/// Gives up when it is stopped.
struct broken_loop : poll_loop {
    void run() {
        poll_loop::run();
        throw std::runtime_error("out of luck");
    }
};

TEST(fiber_limits, a_loop_that_throws_is_heard_and_reported_but_ends_nothing) {
    std::string reported;
    broken_loop loop;
    try {
        fiber runtime(loop);
        runtime.on_report([&](const std::string& line) { reported += line + '\n'; });
        runtime.run([&] {
            loop.stop();
            runtime.sleep_for(std::chrono::hours(1));
        });
        ADD_FAILURE() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
        EXPECT_STREQ(error.what(), "out of luck");
    }
    EXPECT_THAT(reported, testing::HasSubstr("the loop failed as a runtime ended: out of luck"));
}

TEST(fiber_limits, two_runtimes_on_two_threads_know_nothing_of_each_other) {
    const auto work = [](std::size_t& sum) {
        poll_loop loop;
        fiber<poll_loop> runtime(loop);
        for (int round = 0; round < 20; ++round) {
            for (const std::size_t each : runtime.run([&] {
                     return runtime.gather(200, [&](std::size_t index) {
                         try {
                             runtime.yield();
                             throw index;
                         } catch (std::size_t mine) {
                             runtime.yield();
                             return mine;
                         }
                     });
                 })) {
                sum += each;
            }
        }
    };
    std::array<std::size_t, 2> sums{};
    std::thread other(work, std::ref(sums[1]));
    work(sums[0]);
    other.join();
    EXPECT_EQ(sums[0], 20U * 199 * 200 / 2);
    EXPECT_EQ(sums[1], sums[0]);
}

}  // namespace
