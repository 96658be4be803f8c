// The tour of the asyncio tutorials, as far as fibers have a direct twin of it: the same bodies on
// the virtual clock, for exact times, and on a real one.
#include <overlap/fiber/fiber.hpp>
#include <overlap/loops/poll.hpp>
#include <overlap/loops/virtual_time.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace overlap;
using namespace std::chrono_literals;
using testing::ElementsAre;

/// Seconds of the tutorials take no time on the virtual clock; on a real one they are shortened.
template <class Loop>
constexpr nanoseconds second = 1s;
template <>
constexpr nanoseconds second<poll_loop> = 60ms;

template <class Loop>
class fiber_tour : public testing::Test {
protected:
    static constexpr nanoseconds one_second = second<Loop>;

    /// Runs root(); expects that it took as long as a real runtime may take for `expected`, and
    /// exactly that on the virtual clock.
    template <class Root>
    void run_for(nanoseconds expected, Root root) {
        const time_point begin = runtime_.now();
        runtime_.run(root);
        const nanoseconds spent = runtime_.now() - begin;
        if constexpr (std::is_same_v<Loop, virtual_time_loop>) {
            EXPECT_EQ(spent, expected);
        } else {
            EXPECT_GE(spent, expected);
        }
    }

    Loop loop_;
    fiber<Loop> runtime_{loop_};
    std::vector<std::string> printed;
};
using loops = testing::Types<virtual_time_loop, poll_loop>;
struct loop_names {
    template <class Loop>
    static std::string GetName(int) {
        return std::string(Loop::name());
    }
};
TYPED_TEST_SUITE(fiber_tour, loops, loop_names);

TYPED_TEST(fiber_tour, t1_three_counts_overlap) {
    this->run_for(this->one_second, [&] {
        this->runtime_.gather(3, [&](std::size_t) {
            this->printed.emplace_back("One");
            this->runtime_.sleep_for(this->one_second);
            this->printed.emplace_back("Two");
        });
    });
    EXPECT_THAT(this->printed, ElementsAre("One", "One", "One", "Two", "Two", "Two"));
}

TYPED_TEST(fiber_tour, t4_values_and_exceptions_pass_back_through_calls) {
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

TYPED_TEST(fiber_tour, t6_tasks_end_in_the_order_of_their_sleeps) {
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
    EXPECT_THAT(this->printed, ElementsAre("started 0", "started 1", "started 2", "started 3",
                                           "done 3", "done 2", "done 1", "done 0"));
}

TYPED_TEST(fiber_tour, t7_joined_one_by_one_and_gathered) {
    auto& runtime = this->runtime_;
    const std::vector<std::pair<int, int>> calls{{1, 1}, {2, 3}, {3, 2}};
    const auto func = [&](std::size_t index) {
        const auto [number, seconds] = calls[index];
        runtime.sleep_for(seconds * this->one_second);
        this->printed.push_back("done " + std::to_string(number));
        return number;
    };
    this->run_for(3 * this->one_second,
                  [&] { EXPECT_THAT(runtime.gather(calls.size(), func), ElementsAre(1, 2, 3)); });
    EXPECT_THAT(this->printed, ElementsAre("done 1", "done 3", "done 2"));

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
    EXPECT_THAT(this->printed, ElementsAre("done 1", "done 3", "done 2"));
}

TYPED_TEST(fiber_tour, t12_sleep_always_suspends_even_for_no_time) {
    auto& runtime = this->runtime_;
    this->run_for(0s, [&] {
        runtime.gather(2, [&](std::size_t index) {
            for (int step = 0; step < 2; ++step) {
                this->printed.push_back(std::to_string(index) + std::to_string(step));
                runtime.sleep_for(0s);
            }
        });
    });
    EXPECT_THAT(this->printed, ElementsAre("00", "10", "01", "11"));
}

using fiber_tour_real = fiber_tour<poll_loop>;

TEST_F(fiber_tour_real, t12_a_blocking_sleep_holds_up_every_other_task) {
    this->run_for(3 * one_second, [&] {
        runtime_.gather(3, [&](std::size_t index) {
            printed.push_back("begin " + std::to_string(index));
            std::this_thread::sleep_for(one_second);
            printed.push_back("end " + std::to_string(index));
        });
    });
    EXPECT_THAT(printed, ElementsAre("begin 0", "end 0", "begin 1", "end 1", "begin 2", "end 2"));
}

TEST_F(fiber_tour_real, t13_a_computing_task_stops_the_heartbeat) {
    nanoseconds longest_gap = 0s;
    nanoseconds computed = 0s;
    runtime_.run([&] {
        bool computing = true;
        auto heartbeat = runtime_.spawn([&] {
            time_point last = runtime_.now();
            while (computing) {
                runtime_.sleep_for(1ms);
                const time_point beat = runtime_.now();
                longest_gap = std::max<nanoseconds>(longest_gap, beat - last);
                last = beat;
            }
        });
        runtime_.sleep_for(10ms);
        const time_point begin = runtime_.now();
        while (runtime_.now() - begin < one_second) continue;  // Computes without waiting.
        computed = runtime_.now() - begin;
        computing = false;
        heartbeat.join();
    });
    EXPECT_GE(longest_gap, computed);
}

}  // namespace
