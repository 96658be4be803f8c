#include "testing/on_loop.hpp"

#include <overlap/coroutine/async_generator.hpp>

#include <chrono>
#include <gmock/gmock.h>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace overlap;
using namespace std::chrono_literals;
using testing::ElementsAre;

class async_generator_test : public on_virtual_time {
public:
    async_generator<int> count_to(int last) {
        const at_end noted([this] { notes_.emplace_back("clean-up"); });
        for (int i = 1; i <= last; ++i) {
            co_await runtime().sleep_for(1s);
            co_yield i;
        }
    }

    std::vector<std::string> notes_;
};

TEST_F(async_generator_test, yields_values_in_order_and_may_wait_between_them) {
    const auto began = runtime().now();
    std::vector<int> seen;
    run([&]() -> task<> {
        auto numbers = count_to(3);
        while (const auto number = co_await numbers.next()) seen.push_back(*number);
        EXPECT_THAT(notes_, ElementsAre("clean-up")) << "it runs when the generator returns";
    });
    EXPECT_THAT(seen, ElementsAre(1, 2, 3));
    EXPECT_EQ(runtime().now() - began, 3s);
}

TEST_F(async_generator_test, runs_only_while_its_consumer_awaits_next) {
    std::vector<std::string> order;
    const auto talk = [](std::vector<std::string>& said) -> async_generator<int> {
        said.emplace_back("first");
        co_yield 1;
        said.emplace_back("second");
        co_yield 2;
    };
    run([&]() -> task<> {
        auto talker = talk(order);
        order.emplace_back("made");
        co_await talker.next();
        order.emplace_back("between");
        co_await talker.next();
    });
    EXPECT_THAT(order, ElementsAre("made", "first", "between", "second"));
}

TEST_F(async_generator_test, that_has_returned_gives_nothing_ever_after) {
    run([&]() -> task<> {
        auto numbers = count_to(0);
        for (int attempt = 0; attempt < 3; ++attempt) {
            const auto number = co_await numbers.next();
            EXPECT_EQ(number, std::nullopt);
        }
    });
}

TEST_F(async_generator_test, dropped_half_way_cleans_up) {
    run([&]() -> task<> {
        {
            auto numbers = count_to(1'000);
            const auto first = co_await numbers.next();
            EXPECT_EQ(first, 1);
            EXPECT_TRUE(notes_.empty());
        }
        EXPECT_THAT(notes_, ElementsAre("clean-up"));
    });
    EXPECT_EQ(notes_.size(), 1U);
}

TEST_F(async_generator_test, never_begun_has_nothing_to_clean_up) {
    { const auto numbers = count_to(3); }
    EXPECT_TRUE(notes_.empty());
}

TEST_F(async_generator_test, throws_into_its_consumer_once_and_then_has_ended) {
    const auto failing = []() -> async_generator<int> {
        co_yield 1;
        throw std::runtime_error("no more");
    };
    std::string caught;
    run([&]() -> task<> {
        auto values = failing();
        co_await values.next();
        try {
            co_await values.next();
        } catch (const std::runtime_error& error) {
            caught = error.what();
        }
        const auto after = co_await values.next();
        EXPECT_EQ(after, std::nullopt);
    });
    EXPECT_EQ(caught, "no more");
}

TEST_F(async_generator_test, values_need_only_be_movable) {
    const auto owners = []() -> async_generator<std::unique_ptr<int>> {
        co_yield std::make_unique<int>(1);
        co_yield std::make_unique<int>(2);
    };
    int sum = 0;
    run([&]() -> task<> {
        auto values = owners();
        while (const auto value = co_await values.next()) sum += **value;
    });
    EXPECT_EQ(sum, 3);
}

TEST_F(async_generator_test, generators_feed_generators) {
    const auto squares = [](async_generator<int> numbers) -> async_generator<int> {
        while (const auto number = co_await numbers.next()) co_yield *number** number;
    };
    std::vector<int> seen;
    run([&]() -> task<> {
        auto values = squares(count_to(4));
        while (const auto value = co_await values.next()) seen.push_back(*value);
    });
    EXPECT_THAT(seen, ElementsAre(1, 4, 9, 16));
}

TEST_F(async_generator_test, a_million_values_do_not_overflow_the_stack) {
    constexpr int values = 1'000'000;
    const auto count = [](int last) -> async_generator<int> {
        for (int i = 0; i < last; ++i) co_yield i;
    };
    int seen = 0;
    run([&]() -> task<> {
        auto numbers = count(values);
        while (co_await numbers.next()) ++seen;
    });
    EXPECT_EQ(seen, values);
}

TEST_F(async_generator_test, two_consumers_of_two_generators_take_turns) {
    std::vector<int> seen;
    const auto consume = [&seen](async_generator<int> numbers, int sign) -> task<> {
        while (const auto number = co_await numbers.next()) seen.push_back(sign * *number);
    };
    run([&]() -> task<> {
        co_await runtime().gather(consume(count_to(2), 1), consume(count_to(3), -1));
    });
    EXPECT_THAT(seen, ElementsAre(1, -1, 2, -2, -3));
}

}  // namespace
