#include <overlap/thread_pool/thread_pool.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <gtest/gtest.h>
#include <memory>
#include <stdexcept>
#include <thread>

namespace {

using overlap::thread_pool;
using namespace std::chrono_literals;

/// Waits until `met` holds; false when that takes so long that it never will.
template <class Condition>
bool comes_true(Condition met) {
    const auto patience = std::chrono::steady_clock::now() + 30s;
    while (!met()) {
        if (std::chrono::steady_clock::now() > patience) return false;
        std::this_thread::yield();
    }
    return true;
}

TEST(thread_pool, has_as_many_workers_as_cores_unless_told) {
    EXPECT_EQ(thread_pool().task_limit(), overlap::available_cores());
    EXPECT_EQ(thread_pool(5).task_limit(), 5U);
}

TEST(thread_pool, refuses_to_have_no_worker) {
    EXPECT_THROW(thread_pool(0), std::invalid_argument);
}

TEST(thread_pool, may_have_more_workers_than_cores) {
    const std::size_t workers = overlap::available_cores() + 3;
    thread_pool pool(workers);
    std::atomic<std::size_t> present = 0;
    const auto met = pool.gather(workers, [&](std::size_t) {
        ++present;
        return comes_true([&] { return present == workers; });
    });
    EXPECT_TRUE(std::ranges::all_of(met, [](bool all) { return all; }));
}

TEST(thread_pool, runs_no_more_tasks_at_once_than_workers_though_they_gather) {
    thread_pool pool(2);
    std::atomic<int> in_flight = 0;
    std::atomic<int> peak = 0;
    pool.gather(20, [&](std::size_t) {
        const int now = ++in_flight;
        for (int seen = peak; seen < now && !peak.compare_exchange_weak(seen, now);) {}
        pool.gather(20, [](std::size_t) { std::this_thread::sleep_for(100us); });
        --in_flight;
    });
    EXPECT_LE(peak, 2);
}

TEST(thread_pool, a_long_task_holds_up_no_other) {
    thread_pool pool(2);
    for (const std::size_t long_task : {0U, 31U, 63U}) {
        std::atomic<std::size_t> ended = 0;
        const auto fine = pool.gather(64, [&](std::size_t index) {
            std::this_thread::sleep_for(100us);
            const bool result = index != long_task || comes_true([&] { return ended == 63; });
            ++ended;
            return result;
        });
        EXPECT_TRUE(fine[long_task]);
    }
}

TEST(thread_pool, gathers_from_several_threads_at_once) {
    thread_pool pool(2);
    std::atomic<std::size_t> sum = 0;
    {
        const auto gather = [&] { pool.gather(1'000, [&](std::size_t) { ++sum; }); };
        const std::jthread one(gather);
        const std::jthread other(gather);
    }
    EXPECT_EQ(sum, 2'000U);
}

TEST(thread_pool, results_need_only_be_movable) {
    thread_pool pool(2);
    const auto results =
        pool.gather(100, [](std::size_t index) { return std::make_unique<std::size_t>(index); });
    for (std::size_t index = 0; index < 100; ++index) EXPECT_EQ(*results[index], index);
}

}  // namespace
