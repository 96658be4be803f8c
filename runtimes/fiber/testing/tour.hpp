// The tour of the asyncio tutorials, as far as fibers have a direct twin of it. A loop takes it by
// instantiating the suite:
//
//     INSTANTIATE_TYPED_TEST_SUITE_P(my, fiber_tour, testing::Types<my::loop>, fiber_loop_names);
#pragma once

#include <overlap/fiber/fiber.hpp>
#include <overlap/loops/virtual_time.hpp>

#include <chrono>
#include <cstddef>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace overlap {

/// Names the instances of the suite: fiber_tour/epoll.
struct fiber_loop_names {
    template <event_loop Loop>
    static std::string GetName(int) {
        return std::string(Loop::name());
    }
};

template <event_loop Loop>
class fiber_tour : public testing::Test {
protected:
    /// Seconds of the tutorials take no time on the virtual clock; on a real one they are shortened.
    static constexpr bool exact = std::is_same_v<Loop, virtual_time_loop>;
    static constexpr nanoseconds one_second =
        exact ? nanoseconds(std::chrono::seconds(1)) : std::chrono::milliseconds(60);

    /// Runs root(); expects that it took as long as a real runtime may take for `expected`, and
    /// exactly that on the virtual clock.
    template <class Root>
    void run_for(nanoseconds expected, Root root) {
        const time_point begin = runtime_.now();
        runtime_.run(root);
        const nanoseconds spent = runtime_.now() - begin;
        if constexpr (exact) {
            EXPECT_EQ(spent, expected);
        } else {
            EXPECT_GE(spent, expected);
        }
    }

    Loop loop_;
    fiber<Loop> runtime_{loop_};
    std::vector<std::string> printed;
};

TYPED_TEST_SUITE_P(fiber_tour);

TYPED_TEST_P(fiber_tour, t1_three_counts_overlap) {
    this->run_for(this->one_second, [&] {
        this->runtime_.gather(3, [&](std::size_t) {
            this->printed.emplace_back("One");
            this->runtime_.sleep_for(this->one_second);
            this->printed.emplace_back("Two");
        });
    });
    EXPECT_THAT(this->printed, testing::ElementsAre("One", "One", "One", "Two", "Two", "Two"));
}

TYPED_TEST_P(fiber_tour, t4_values_and_exceptions_pass_back_through_calls) {
    auto& runtime = this->runtime_;
    const auto h = [&](int value) {
        runtime.sleep_for(this->one_second);
        if (value < 0) throw std::invalid_argument("negative");
        return value + 1;
    };
    const auto g = [&](int value) { return 10 * h(value); };
    const auto f = [&](int value) { return "f" + std::to_string(g(value)); };
    this->run_for(2 * this->one_second, [&] {
        EXPECT_EQ(f(1), "f20");
        EXPECT_THROW(f(-1), std::invalid_argument);
    });
}

TYPED_TEST_P(fiber_tour, t6_tasks_end_in_the_order_of_their_sleeps) {
    auto& runtime = this->runtime_;
    this->run_for(this->one_second, [&] {
        const auto task = [&](int index) {
            return runtime.spawn([&, index] {
                this->printed.push_back("started " + std::to_string(index));
                runtime.sleep_for(this->one_second / (index + 1));
                this->printed.push_back("done " + std::to_string(index));
                return index;
            });
        };
        std::vector<fibers::spawned<int>> tasks;
        tasks.reserve(4);
        for (int i = 0; i < 4; ++i) tasks.push_back(task(i));
        for (int i = 0; i < 4; ++i) EXPECT_EQ(tasks[static_cast<std::size_t>(i)].join(), i);
    });
    EXPECT_THAT(this->printed,
                testing::ElementsAre("started 0", "started 1", "started 2", "started 3", "done 3",
                                     "done 2", "done 1", "done 0"));
}

TYPED_TEST_P(fiber_tour, t7_joined_one_by_one_and_gathered) {
    auto& runtime = this->runtime_;
    const std::vector<std::pair<int, int>> calls{{1, 1}, {2, 3}, {3, 2}};
    const auto func = [&](std::size_t index) {
        const auto [number, seconds] = calls[index];
        runtime.sleep_for(seconds * this->one_second);
        this->printed.push_back("done " + std::to_string(number));
        return number;
    };
    this->run_for(3 * this->one_second, [&] {
        EXPECT_THAT(runtime.gather(calls.size(), func), testing::ElementsAre(1, 2, 3));
    });
    EXPECT_THAT(this->printed, testing::ElementsAre("done 1", "done 3", "done 2"));

    this->printed.clear();
    this->run_for(3 * this->one_second, [&] {
        std::vector<fibers::spawned<int>> tasks;
        tasks.reserve(calls.size());
        for (std::size_t i = 0; i < calls.size(); ++i) {
            tasks.push_back(runtime.spawn([&, i] { return func(i); }));
        }
        EXPECT_EQ(tasks[0].join(), 1);
        EXPECT_EQ(tasks[1].join(), 2);
        EXPECT_EQ(tasks[2].join(), 3);
    });
    EXPECT_THAT(this->printed, testing::ElementsAre("done 1", "done 3", "done 2"));
}

TYPED_TEST_P(fiber_tour, t12_sleep_always_suspends_even_for_no_time) {
    auto& runtime = this->runtime_;
    this->run_for(nanoseconds(0), [&] {
        runtime.gather(2, [&](std::size_t index) {
            for (int step = 0; step < 2; ++step) {
                this->printed.push_back(std::to_string(index) + std::to_string(step));
                runtime.sleep_for(nanoseconds(0));
            }
        });
    });
    EXPECT_THAT(this->printed, testing::ElementsAre("00", "10", "01", "11"));
}

REGISTER_TYPED_TEST_SUITE_P(fiber_tour, t1_three_counts_overlap,
                            t4_values_and_exceptions_pass_back_through_calls,
                            t6_tasks_end_in_the_order_of_their_sleeps,
                            t7_joined_one_by_one_and_gathered,
                            t12_sleep_always_suspends_even_for_no_time);

}  // namespace overlap
