#include <overlap/process/process_channel.hpp>
#include <overlap/process/process_per_task.hpp>

#include <cstddef>
#include <gtest/gtest.h>
#include <optional>
#include <stdexcept>
#include <vector>

namespace {

using namespace overlap;

TEST(process_channel, brings_what_one_process_pushes_to_others_each_once_and_in_order) {
    constexpr int count = 1000;
    process_channel<int> numbers(3);
    struct popped {
        int count;
        int sum;
        bool in_order;
    };
    const std::vector<popped> seen = process_per_task::gather(3, [&](std::size_t i) {
        popped mine{.count = 0, .sum = 0, .in_order = true};
        if (i == 0) {
            for (int n = 1; n <= count; ++n) numbers.push(n);
            numbers.close();
            return mine;
        }
        int last = 0;
        while (const std::optional<int> number = numbers.pop()) {
            mine.in_order = mine.in_order && *number > last;
            last = *number;
            ++mine.count;
            mine.sum += *number;
        }
        return mine;
    });
    EXPECT_EQ(seen[1].count + seen[2].count, count);
    EXPECT_EQ(seen[1].sum + seen[2].sum, count * (count + 1) / 2);
    EXPECT_TRUE(seen[1].in_order && seen[2].in_order);
}

TEST(process_channel, holds_no_more_than_its_capacity_and_can_be_opened_again) {
    process_channel<int> numbers(1);
    for (int run = 0; run < 2; ++run) {
        EXPECT_TRUE(numbers.try_push(1));
        EXPECT_FALSE(numbers.try_push(2));
        EXPECT_EQ(numbers.pop(), 1);
        numbers.close();
        EXPECT_EQ(numbers.pop(), std::nullopt);
        EXPECT_EQ(numbers.pop(), std::nullopt) << "closed for everybody";
        numbers.open();
    }
}

TEST(process_channel, of_capacity_0_is_refused) {
    EXPECT_THROW(process_channel<int>(0), std::invalid_argument);
}

}  // namespace
