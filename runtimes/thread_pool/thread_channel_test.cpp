#include <overlap/thread_pool/thread_channel.hpp>
#include <overlap/thread_pool/thread_per_task.hpp>

#include <atomic>
#include <cstddef>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

namespace {

using namespace overlap;

TEST(thread_channel, brings_what_many_push_to_many_who_pop_each_once_and_in_order) {
    constexpr int producers = 2;
    constexpr int consumers = 2;
    constexpr int each = 500;
    auto numbers = thread_per_task::make_channel<int>(3);
    std::atomic<int> pushing = producers;
    std::vector<std::vector<int>> popped(consumers);
    thread_per_task::gather(producers + consumers, [&](std::size_t i) {
        if (i < producers) {
            for (int n = 0; n < each; ++n) numbers.push(static_cast<int>(i) * each + n);
            if (--pushing == 0) numbers.close();
            return;
        }
        while (const std::optional<int> number = numbers.pop()) {
            popped[i - producers].push_back(*number);
        }
    });
    std::vector<int> seen(producers * each);
    for (const std::vector<int>& from_one : popped) {
        std::vector<int> last(producers, -1);
        for (const int number : from_one) {
            EXPECT_LT(std::exchange(last[static_cast<std::size_t>(number / each)], number), number);
            ++seen[static_cast<std::size_t>(number)];
        }
    }
    EXPECT_THAT(seen, testing::Each(1));
}

TEST(thread_channel, holds_no_more_than_its_capacity) {
    thread_channel<int> numbers(1);
    EXPECT_TRUE(numbers.try_push(1));
    EXPECT_FALSE(numbers.try_push(2));
    EXPECT_EQ(numbers.pop(), 1);
    numbers.close();
    EXPECT_EQ(numbers.pop(), std::nullopt);
    EXPECT_EQ(numbers.pop(), std::nullopt) << "closed for everybody";
}

TEST(thread_channel, of_capacity_0_is_refused) {
    EXPECT_THROW(thread_channel<int>(0), std::invalid_argument);
}

}  // namespace
