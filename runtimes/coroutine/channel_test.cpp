#include "testing/on_loop.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <gmock/gmock.h>
#include <memory>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using namespace overlap;
using namespace std::chrono_literals;
using testing::ElementsAre;

template <class Loop>
class channel_on : public on_loop<Loop> {};
TYPED_TEST_SUITE(channel_on, all_loops, loop_names);

class channel_test : public on_virtual_time {
protected:
    static task<> push_all(channel<int>& to, std::vector<int> numbers) {
        for (const int number : numbers) co_await to.push(number);
    }
    static task<> pop_all(channel<int>& from, std::vector<int>& into) {
        while (const std::optional<int> number = co_await from.pop()) into.push_back(*number);
    }
    /// One that can be destroyed early.
    std::unique_ptr<channel<int>> new_channel() {
        return std::unique_ptr<channel<int>>(new auto(runtime().make_channel<int>(1)));
    }
    /// The code of the error with which a push ends, if it does.
    static task<std::error_code> error_of_push(channel<int>& to, int number) {
        try {
            co_await to.push(number);
        } catch (const std::system_error& error) {
            co_return error.code();
        }
        co_return std::error_code{};
    }
};

TYPED_TEST(channel_on, brings_what_many_push_to_many_who_pop_each_once_and_in_order) {
    constexpr int producers = 3;
    constexpr int consumers = 2;
    constexpr int each = 1000;
    std::vector<std::vector<int>> popped(consumers);
    this->run([&]() -> task<> {
        auto& runtime = this->runtime();
        auto numbers = runtime.template make_channel<int>(7);
        int pushing = producers;
        const auto push = [&](int producer) -> task<> {
            for (int i = 0; i < each; ++i) co_await numbers.push(producer * each + i);
            if (--pushing == 0) numbers.close();
        };
        const auto pop = [&](std::size_t consumer) -> task<> {
            while (const std::optional<int> number = co_await numbers.pop()) {
                popped[consumer].push_back(*number);
                EXPECT_LE(numbers.size(), 7U);
                if (*number % 100 == 0) co_await runtime.yield();
            }
        };
        const auto body = [&](std::size_t i) {
            return i < producers ? push(static_cast<int>(i)) : pop(i - producers);
        };
        co_await runtime.gather(producers + consumers, std::ref(body));
    });
    std::vector<int> all;
    for (const std::vector<int>& from_one : popped) {
        std::vector<int> last(producers, -1);
        for (const int number : from_one) {
            EXPECT_LT(std::exchange(last[static_cast<std::size_t>(number / each)], number), number);
        }
        all.insert(all.end(), from_one.begin(), from_one.end());
    }
    std::sort(all.begin(), all.end());
    ASSERT_EQ(all.size(), static_cast<std::size_t>(producers * each));
    for (std::size_t i = 0; i < all.size(); ++i) ASSERT_EQ(all[i], static_cast<int>(i));
}

TEST_F(channel_test, holds_no_more_than_its_capacity) {
    run([&]() -> task<> {
        auto numbers = runtime().make_channel<int>(2);
        auto pushing = runtime().spawn(push_all(numbers, {1, 2, 3}));
        co_await runtime().sleep_for(1h);
        EXPECT_FALSE(pushing.is_done());
        EXPECT_EQ(numbers.size(), 2U);
        EXPECT_FALSE(numbers.try_push(4));
        EXPECT_EQ(numbers.try_pop(), 1);
        EXPECT_FALSE(numbers.try_push(4)) << "the one who waits goes first";
        co_await pushing;
        EXPECT_EQ(numbers.try_pop(), 2);
        EXPECT_EQ(numbers.try_pop(), 3);
        EXPECT_EQ(numbers.try_pop(), std::nullopt);
    });
}

TEST_F(channel_test, serves_those_who_wait_in_the_order_in_which_they_came) {
    std::vector<std::optional<int>> popped(3);
    run([&]() -> task<> {
        auto numbers = runtime().make_channel<int>(1);
        const auto pop = [&](std::size_t i) -> task<> { popped[i] = co_await numbers.pop(); };
        auto first = runtime().spawn(pop(0));
        auto second = runtime().spawn(pop(1));
        auto third = runtime().spawn(pop(2));
        co_await runtime().yield();
        EXPECT_TRUE(numbers.try_push(10));
        EXPECT_TRUE(numbers.try_push(11));
        EXPECT_TRUE(numbers.try_push(12));
        EXPECT_FALSE(first.is_done()) << "resumed inside try_push";
        co_await first;
        co_await second;
        co_await third;
    });
    EXPECT_THAT(popped, ElementsAre(10, 11, 12));
}

TEST_F(channel_test, that_is_closed_gives_what_is_in_it_and_then_ends) {
    std::vector<int> popped;
    run([&]() -> task<> {
        auto numbers = runtime().make_channel<int>(4);
        const std::vector<int> all{1, 2, 3};
        co_await push_all(numbers, all);
        numbers.close();
        numbers.close();
        EXPECT_TRUE(numbers.is_closed());
        const std::error_code error = co_await error_of_push(numbers, 4);
        EXPECT_EQ(error, std::errc::broken_pipe);
        EXPECT_THROW(numbers.try_push(4), std::system_error);
        co_await pop_all(numbers, popped);
    });
    EXPECT_THAT(popped, ElementsAre(1, 2, 3));
}

TEST_F(channel_test, that_is_closed_tells_everybody_who_waits) {
    std::vector<int> popped;
    run([&]() -> task<> {
        auto full = runtime().make_channel<int>(1);
        auto empty = runtime().make_channel<int>(1);
        co_await full.push(1);
        auto pushing = runtime().spawn(error_of_push(full, 2));
        auto popping = runtime().spawn(pop_all(empty, popped));
        co_await runtime().yield();
        full.close();
        empty.close();
        const std::error_code error = co_await pushing;
        EXPECT_EQ(error, std::errc::broken_pipe);
        co_await popping;
        EXPECT_EQ(full.try_pop(), 1);
        EXPECT_EQ(full.try_pop(), std::nullopt) << "what was refused is not in it";
    });
    EXPECT_TRUE(popped.empty());
}

TEST_F(channel_test, that_is_destroyed_tells_everybody_who_waits) {
    run([&]() -> task<> {
        auto full = new_channel();
        auto empty = new_channel();
        co_await full->push(1);
        std::vector<int> popped;
        auto pushing = runtime().spawn(error_of_push(*full, 2));
        const auto pop_one = [](auto& from) -> task<std::optional<int>> {
            co_return co_await from.pop();
        };
        auto popping = runtime().spawn(pop_one(*empty));
        co_await runtime().yield();
        full.reset();
        empty.reset();
        const std::error_code error = co_await pushing;
        EXPECT_EQ(error, std::errc::broken_pipe);
        const std::optional<int> nothing = co_await popping;
        EXPECT_EQ(nothing, std::nullopt);
    });
}

TEST_F(channel_test, whose_consumer_throws_goes_on_with_the_others) {
    std::vector<int> popped;
    run([&]() -> task<> {
        auto numbers = runtime().make_channel<int>(1);
        const auto fail_at_two = [&]() -> task<> {
            while (const std::optional<int> number = co_await numbers.pop()) {
                if (*number == 2) throw std::runtime_error("two");
            }
        };
        auto failing = runtime().spawn(fail_at_two());
        auto pushing = runtime().spawn(push_all(numbers, {1, 2, 3, 4}));
        bool threw = false;
        try {
            co_await failing;
        } catch (const std::runtime_error&) {
            threw = true;
        }
        EXPECT_TRUE(threw);
        auto popping = runtime().spawn(pop_all(numbers, popped));
        co_await pushing;
        numbers.close();
        co_await popping;
    });
    EXPECT_THAT(popped, ElementsAre(3, 4));
}

TEST_F(channel_test, carries_what_can_only_be_moved_and_destroys_what_nobody_popped) {
    std::weak_ptr<int> left;
    run([&]() -> task<> {
        auto numbers = runtime().make_channel<std::shared_ptr<int>>(3);
        auto owned = runtime().make_channel<std::unique_ptr<int>>(1);
        auto last = std::make_shared<int>(1);
        left = last;
        co_await numbers.push(std::move(last));
        co_await owned.push(std::make_unique<int>(5));
        const std::optional<std::unique_ptr<int>> got = co_await owned.pop();
        EXPECT_EQ(**got, 5);
        EXPECT_FALSE(left.expired());
    });
    EXPECT_TRUE(left.expired());
}

TEST_F(channel_test, with_tasks_that_still_wait_outlives_the_runtime) {
    auto full = new_channel();
    auto empty = new_channel();
    std::vector<int> popped;
    run([&]() -> task<> {
        (void)runtime().spawn(push_all(*full, {1, 2}));
        (void)runtime().spawn(pop_all(*empty, popped));
        co_await runtime().yield();
        co_await runtime().yield();
    });
    end_runtime();
    EXPECT_THAT(reports(), ElementsAre(testing::HasSubstr("2 spawned tasks")));
    EXPECT_EQ(full->try_pop(), 1);
    EXPECT_EQ(full->try_pop(), std::nullopt) << "pushed by a task that is gone";
    EXPECT_TRUE(empty->try_push(3)) << "nobody is there to whom it could be handed";
}

TEST_F(channel_test, loses_no_element_to_those_who_are_cancelled) {
    std::vector<int> popped;
    run([&]() -> task<> {
        auto numbers = runtime().make_channel<int>(1);
        auto waiting = runtime().spawn(pop_all(numbers, popped));
        co_await runtime().yield();
        waiting.cancel();
        EXPECT_TRUE(numbers.try_push(1)) << "into the ring";
        EXPECT_EQ(numbers.size(), 1U);
        EXPECT_EQ(numbers.try_pop(), 1);
        auto served = runtime().spawn(pop_all(numbers, popped));
        co_await runtime().yield();
        EXPECT_TRUE(numbers.try_push(2)) << "to the one who waits";
        served.cancel();
        co_await runtime().yield();
        co_await runtime().yield();
        EXPECT_TRUE(served.is_done());
    });
    EXPECT_THAT(popped, ElementsAre(2));
}

TEST_F(channel_test, of_capacity_0_is_refused) {
    EXPECT_THROW((void)runtime().make_channel<int>(0), std::invalid_argument);
}

}  // namespace
