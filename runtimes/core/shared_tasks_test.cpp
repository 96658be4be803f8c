#include <overlap/core/shared_tasks.hpp>

#include <atomic>
#include <chrono>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace {

using overlap::shared_tasks;
using overlap::task_range;
using namespace std::chrono_literals;

TEST(shared_tasks, gives_every_task_to_one_worker) {
    constexpr std::size_t n = 100'000;
    std::vector<std::atomic<int>> taken(n);
    shared_tasks tasks(n, 4);
    {
        std::vector<std::jthread> workers;
        for (int worker = 0; worker < 4; ++worker) {
            workers.emplace_back([&] {
                tasks.run_all([&](task_range range) {
                    for (std::size_t i = range.first; i < range.last; ++i) ++taken[i];
                });
            });
        }
    }
    for (const auto& times : taken) ASSERT_EQ(times, 1);
}

TEST(shared_tasks, gives_nothing_when_there_is_nothing) {
    shared_tasks tasks(0, 2);
    EXPECT_TRUE(tasks.take(100).empty());
    tasks.run_all([](task_range) { FAIL() << "there is no task"; });
}

TEST(shared_tasks, begins_again_after_reset) {
    shared_tasks tasks(1, 1);
    EXPECT_FALSE(tasks.take(1).empty());
    EXPECT_TRUE(tasks.take(1).empty());
    tasks.reset(2, 1);
    EXPECT_EQ(tasks.take(1).first, 0U);
    EXPECT_EQ(tasks.take(1).first, 1U);
}

TEST(shared_tasks, deals_long_tasks_out_one_by_one) {
    shared_tasks tasks(20, 1);
    tasks.run_all([](task_range range) {
        EXPECT_EQ(range.last - range.first, 1U);
        std::this_thread::sleep_for(100us);
    });
}

TEST(shared_tasks, deals_empty_tasks_out_in_bulk) {
    shared_tasks tasks(1'000'000, 2);
    std::size_t chunks = 0;
    tasks.run_all([&](task_range) { ++chunks; });
    EXPECT_LT(chunks, 1'000U);
}

TEST(shared_tasks, never_gives_more_than_half_of_a_fair_share) {
    shared_tasks tasks(1'000, 5);
    for (std::size_t left = 1'000; left > 0;) {
        const task_range range = tasks.take(1'000);
        const std::size_t size = range.last - range.first;
        EXPECT_LE(size, std::max<std::size_t>(1, left / 10));
        left -= size;
    }
}

}  // namespace
