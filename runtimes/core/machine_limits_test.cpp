#include <overlap/core/cores.hpp>
#include <overlap/core/machine_limits.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <thread>

namespace {

using namespace overlap;
using testing::HasSubstr;

TEST(available_cores, counts_those_that_the_affinity_mask_leaves) {
    EXPECT_GE(available_cores(), 1U);
    std::size_t held = 0;
    {
        const std::jthread held_to_one([&] {
            const int here = ::sched_getcpu();
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(static_cast<std::size_t>(here), &one);
            ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
            held = available_cores();
        });
    }
    EXPECT_EQ(held, 1U);
}

TEST(tightest_limit, names_free_memory_when_tasks_are_huge) {
    const machine_limit limit = tightest_limit({.memory = std::size_t{1} << 50U}, 0);
    EXPECT_THAT(limit.words, HasSubstr("free memory in bytes is "));
    EXPECT_EQ(limit.room, 0U);
}

TEST(tightest_limit, names_mappings_when_tasks_take_many) {
    const machine_limit limit = tightest_limit({.mappings = 1'000'000}, 0);
    EXPECT_THAT(limit.words, HasSubstr("vm.max_map_count is "));
    EXPECT_EQ(limit.room, 0U);
}

TEST(tightest_limit, finds_a_limit_on_processes_even_for_tasks_that_need_nothing) {
    const machine_limit limit = tightest_limit({}, 0);
    EXPECT_GT(limit.room, 0U);
    EXPECT_LT(limit.room, unlimited);
}

TEST(tightest, keeps_the_limit_with_the_least_room) {
    detail::tightest limits;
    limits.consider("wide", 100, 10);
    limits.consider("narrow", 1'000, 900, 10);
    limits.consider("not needed", 1, 1, 0);
    const machine_limit limit = limits.take();
    EXPECT_EQ(limit.words, "narrow is 1000");
    EXPECT_EQ(limit.room, 10U);
}

TEST(limit_met, is_one_line_that_says_how_far_it_came) {
    const limit_error error = limit_met("some_runtime", "process", 41, 100, EAGAIN, {});
    EXPECT_THAT(error.what(), testing::MatchesRegex("some_runtime: process 42 of 100 could not be "
                                                    "created \\(.*\\); the tightest limit: .* is "
                                                    "[0-9]+"));
}

}  // namespace
