// The tour on the virtual clock, for exact times, and on a real one; and what only a real one shows.
#include "testing/tour.hpp"

#include <overlap/loops/poll.hpp>

#include <algorithm>
#include <chrono>
#include <thread>

namespace overlap {

using tour_loops = testing::Types<virtual_time_loop, poll_loop>;
INSTANTIATE_TYPED_TEST_SUITE_P(fiber, fiber_tour, tour_loops, fiber_loop_names);

namespace {

using namespace std::chrono_literals;

using fiber_tour_real = fiber_tour<poll_loop>;

TEST_F(fiber_tour_real, t12_a_blocking_sleep_holds_up_every_other_task) {
    this->run_for(3 * one_second, [&] {
        runtime_.gather(3, [&](std::size_t index) {
            printed.push_back("begin " + std::to_string(index));
            std::this_thread::sleep_for(one_second);
            printed.push_back("end " + std::to_string(index));
        });
    });
    EXPECT_THAT(printed,
                testing::ElementsAre("begin 0", "end 0", "begin 1", "end 1", "begin 2", "end 2"));
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

}  // namespace overlap
