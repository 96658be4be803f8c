#include <overlap/sequential/sequential.hpp>

#include <gtest/gtest.h>
#include <memory>
#include <vector>

namespace {

using overlap::sequential;

TEST(sequential, runs_tasks_in_order_one_at_a_time) {
    std::vector<std::size_t> order;
    std::size_t in_flight = 0;
    sequential::gather(100, [&](std::size_t index) {
        EXPECT_EQ(++in_flight, 1U);
        order.push_back(index);
        --in_flight;
    });
    ASSERT_EQ(order.size(), 100U);
    for (std::size_t index = 0; index < 100; ++index) EXPECT_EQ(order[index], index);
}

TEST(sequential, results_need_only_be_movable) {
    const auto results = sequential::gather(
        3, [](std::size_t index) { return std::make_unique<std::size_t>(index); });
    ASSERT_EQ(results.size(), 3U);
    EXPECT_EQ(*results[2], 2U);
}

}  // namespace
