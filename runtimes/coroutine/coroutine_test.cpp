#include "testing/on_loop.hpp"

#include <array>
#include <chrono>
#include <gmock/gmock.h>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace overlap;
using namespace std::chrono_literals;
using testing::ElementsAre;

static_assert(stackless_runtime<coroutine<poll_loop>>);
static_assert(stackless_runtime<coroutine<virtual_time_loop>>);
static_assert(!direct_runtime<coroutine<poll_loop>>);

template <event_loop Loop>
class coroutine_test : public on_loop<Loop> {};
TYPED_TEST_SUITE(coroutine_test, all_loops, loop_names);

TYPED_TEST(coroutine_test, is_named_after_its_loop) {
    EXPECT_EQ(coroutine<TypeParam>::name(), "coroutine:" + std::string(TypeParam::name()));
    EXPECT_EQ(this->runtime().task_limit(), unlimited);
}

TYPED_TEST(coroutine_test, runs_a_root_to_its_result_again_and_again) {
    for (int i = 0; i < 3; ++i) {
        const int result = this->run([&]() -> task<int> {
            co_await this->runtime().yield();
            co_return i;
        });
        EXPECT_EQ(result, i);
    }
}

TYPED_TEST(coroutine_test, runs_again_after_a_root_that_threw) {
    const auto fail = [this]() -> task<int> {
        co_await this->runtime().yield();
        throw std::runtime_error("root");
    };
    EXPECT_THROW(this->run(fail), std::runtime_error);
    EXPECT_EQ(this->run([]() -> task<int> { co_return 3; }), 3);
}

TYPED_TEST(coroutine_test, refuses_to_run_inside_run) {
    this->run([this]() -> task<> {
        const auto nothing = []() -> task<> { co_return; };
        EXPECT_THROW(this->runtime().run(nothing()), std::logic_error);
        co_return;
    });
}

TYPED_TEST(coroutine_test, a_foreign_stop_of_the_loop_does_not_cut_the_root_short) {
    this->runtime().loop().stop();
    const int result = this->run([this]() -> task<int> {
        co_await this->runtime().yield();
        this->runtime().loop().stop();
        co_await this->runtime().sleep_for(1ms);
        co_return 8;
    });
    EXPECT_EQ(result, 8);
}

TYPED_TEST(coroutine_test, sleeps_until_the_deadline_and_never_less) {
    this->run([this]() -> task<> {
        const auto deadline = this->runtime().now() + 5ms;
        co_await this->runtime().sleep_until(deadline);
        const auto woke = this->runtime().now();
        EXPECT_GE(woke, deadline);
    });
}

TYPED_TEST(coroutine_test, sleep_suspends_even_when_the_deadline_has_passed) {
    for (const nanoseconds delay : std::array<nanoseconds, 2>{0ns, -1s}) {
        std::vector<int> order;
        this->run([&]() -> task<> {
            co_await this->runtime().gather(2, [&](std::size_t i) -> task<> {
                order.push_back(static_cast<int>(i));
                co_await this->runtime().sleep_for(delay);
                order.push_back(static_cast<int>(i));
            });
        });
        EXPECT_THAT(order, ElementsAre(0, 1, 0, 1));
    }
}

TYPED_TEST(coroutine_test, yield_lets_the_others_that_are_ready_go_first) {
    std::vector<int> order;
    this->run([&]() -> task<> {
        co_await this->runtime().gather(3, [&](std::size_t i) -> task<> {
            for (std::size_t round = 0; round < 3; ++round) {
                order.push_back(static_cast<int>(i));
                co_await this->runtime().yield();
            }
        });
    });
    EXPECT_THAT(order, ElementsAre(0, 1, 2, 0, 1, 2, 0, 1, 2));
}

TYPED_TEST(coroutine_test, sleepers_wake_in_the_order_of_their_deadlines) {
    std::vector<std::size_t> order;
    this->run([&]() -> task<> {
        const auto begin = this->runtime().now();
        co_await this->runtime().gather(4, [&](std::size_t i) -> task<> {
            co_await this->runtime().sleep_until(begin + (4 - i) * 2ms);
            order.push_back(i);
        });
    });
    EXPECT_THAT(order, ElementsAre(3, 2, 1, 0));
}

TEST(coroutine_report_test, goes_to_standard_error_unless_somebody_listens) {
    testing::internal::CaptureStderr();
    {
        virtual_time_loop loop;
        coroutine<virtual_time_loop> runtime(loop);
        runtime.run([](auto& in) -> task<> {
            (void)in.spawn([](auto& time) -> task<> { co_await time.sleep_for(1h); }(in));
            co_await in.yield();
        }(runtime));
    }
    EXPECT_EQ(testing::internal::GetCapturedStderr(),
              "overlap: 1 spawned task had not ended when its runtime did\n");
}

}  // namespace
