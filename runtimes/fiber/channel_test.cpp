#include <overlap/fiber/fiber.hpp>
#include <overlap/loops/epoll.hpp>
#include <overlap/loops/poll.hpp>
#include <overlap/loops/uring.hpp>
#include <overlap/loops/virtual_time.hpp>

#include <chrono>
#include <cstddef>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace overlap {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

template <class Loop>
class fiber_channel_on : public testing::Test {
public:
    void SetUp() override {
        if (const availability here = Loop::available(); !here) GTEST_SKIP() << here.reason;
    }
};
using all_loops = testing::Types<virtual_time_loop, poll_loop, epoll_loop, uring_loop>;
TYPED_TEST_SUITE(fiber_channel_on, all_loops);

TYPED_TEST(fiber_channel_on, brings_what_many_push_to_many_who_pop_each_once_and_in_order) {
    constexpr int producers = 3;
    constexpr int consumers = 2;
    constexpr int each = 500;
    TypeParam loop;
    fiber runtime(loop);
    std::vector<std::vector<int>> popped(consumers);
    runtime.run([&] {
        auto numbers = runtime.template make_channel<int>(5);
        int pushing = producers;
        runtime.gather(producers + consumers, [&](std::size_t i) {
            if (i < producers) {
                for (int n = 0; n < each; ++n) numbers.push(static_cast<int>(i) * each + n);
                if (--pushing == 0) numbers.close();
                return;
            }
            while (const std::optional<int> number = numbers.pop()) {
                popped[i - producers].push_back(*number);
                EXPECT_LE(numbers.size(), 5U);
                if (*number % 100 == 0) runtime.yield();
            }
        });
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

class fiber_channel : public testing::Test {
protected:
    /// One that can be destroyed early.
    std::unique_ptr<fibers::channel<int>> new_channel() {
        return std::unique_ptr<fibers::channel<int>>(new auto(runtime->make_channel<int>(1)));
    }
    /// What a push ends with.
    static std::error_code error_of_push(fibers::channel<int>& to, int number) {
        try {
            to.push(number);
        } catch (const std::system_error& error) {
            return error.code();
        }
        return {};
    }

    virtual_time_loop loop;
    std::optional<fiber<virtual_time_loop>> runtime{loop};
};

TEST_F(fiber_channel, holds_no_more_than_its_capacity) {
    runtime->run([&] {
        auto numbers = runtime->make_channel<int>(1);
        auto pushing = runtime->spawn([&] {
            numbers.push(1);
            numbers.push(2);
        });
        runtime->sleep_for(1h);
        EXPECT_FALSE(pushing.is_done());
        EXPECT_FALSE(numbers.try_push(3));
        EXPECT_EQ(numbers.try_pop(), 1);
        pushing.join();
        EXPECT_EQ(numbers.pop(), 2);
        EXPECT_EQ(numbers.try_pop(), std::nullopt);
    });
}

TEST_F(fiber_channel, that_is_closed_or_destroyed_tells_everybody_who_waits) {
    for (const bool destroyed : {false, true}) {
        runtime->run([&] {
            auto full = new_channel();
            auto empty = new_channel();
            full->push(1);
            auto pushing = runtime->spawn([&] { return error_of_push(*full, 2); });
            auto popping = runtime->spawn([&] { return empty->pop(); });
            runtime->sleep_for(1s);
            if (destroyed) {
                full.reset();
                empty.reset();
            } else {
                full->close();
                empty->close();
                EXPECT_EQ(full->pop(), 1);
                EXPECT_EQ(full->pop(), std::nullopt);
                EXPECT_EQ(error_of_push(*full, 3), std::errc::broken_pipe);
            }
            EXPECT_EQ(pushing.join(), std::errc::broken_pipe);
            EXPECT_EQ(popping.join(), std::nullopt);
        });
    }
}

TEST_F(fiber_channel, whose_consumer_throws_goes_on_with_the_others) {
    std::vector<int> popped;
    runtime->run([&] {
        auto numbers = runtime->make_channel<int>(1);
        auto failing = runtime->spawn([&] {
            while (const std::optional<int> number = numbers.pop()) {
                if (*number == 2) throw std::runtime_error("two");
            }
        });
        auto pushing = runtime->spawn([&] {
            for (int i = 1; i <= 4; ++i) numbers.push(i);
            numbers.close();
        });
        EXPECT_THROW(failing.join(), std::runtime_error);
        while (const std::optional<int> number = numbers.pop()) popped.push_back(*number);
        pushing.join();
    });
    EXPECT_THAT(popped, ElementsAre(3, 4));
}

TEST_F(fiber_channel, woken_as_the_runtime_ends_leaves_nothing_in_the_loop) {
    std::vector<std::string> reports;
    runtime->on_report([&](const std::string& line) { reports.push_back(line); });
    runtime->run([&] {
        auto numbers = runtime->make_channel<int>(1);
        (void)runtime->spawn([&] { numbers.pop(); });
        runtime->sleep_for(1s);
        numbers.push(1);  // Wakes the one who waits, behind the end of the root task.
    });
    runtime.reset();
    EXPECT_THAT(reports, ElementsAre(testing::HasSubstr("1 task")));
    fiber<virtual_time_loop> next(loop);
    EXPECT_EQ(next.run([&] { return 5; }), 5);
}

TEST_F(fiber_channel, loses_no_element_to_those_who_are_cancelled) {
    std::vector<int> popped;
    runtime->run([&] {
        auto numbers = runtime->make_channel<int>(1);
        const auto pop_all = [&] {
            while (const std::optional<int> number = numbers.pop()) popped.push_back(*number);
        };
        auto waiting = runtime->spawn(pop_all);
        runtime->sleep_for(1s);
        waiting.cancel();
        EXPECT_TRUE(numbers.try_push(1)) << "into the ring";
        EXPECT_EQ(numbers.try_pop(), 1);
        auto served = runtime->spawn(pop_all);
        runtime->sleep_for(1s);
        EXPECT_TRUE(waiting.is_done());
        EXPECT_TRUE(numbers.try_push(2)) << "to the one who waits";
        served.cancel();
        runtime->sleep_for(1s);
        EXPECT_TRUE(served.is_done());
    });
    EXPECT_THAT(popped, ElementsAre(2));
}

TEST_F(fiber_channel, of_capacity_0_is_refused) {
    EXPECT_THROW((void)runtime->make_channel<int>(0), std::invalid_argument);
}

}  // namespace
}  // namespace overlap
