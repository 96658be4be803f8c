#include "testing/on_loop.hpp"

#include <overlap/core/sanitizers.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <gmock/gmock.h>
#include <limits>
#include <memory>
#include <new>
#include <numeric>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace {

using namespace overlap;
using namespace std::chrono_literals;
using testing::ElementsAre;

class gather_test : public on_virtual_time {
protected:
    task<std::size_t> after(nanoseconds delay, std::size_t result) {
        co_await runtime().sleep_for(delay);
        co_return result;
    }
    task<> note_after(nanoseconds delay, std::string line) {
        co_await runtime().sleep_for(delay);
        notes_.push_back(std::move(line));
    }

    std::vector<std::string> notes_;
};

TEST_F(gather_test, returns_results_in_the_order_given_not_of_completion) {
    const auto began = runtime().now();
    const auto results = run([&]() -> task<std::vector<std::size_t>> {
        co_return co_await runtime().gather(5,
                                            [&](std::size_t i) { return after((5 - i) * 1s, i); });
    });
    EXPECT_THAT(results, ElementsAre(0, 1, 2, 3, 4));
    EXPECT_EQ(runtime().now() - began, 5s);
}

TEST_F(gather_test, starts_children_in_order_before_the_next_of_them_waits) {
    run([&]() -> task<> {
        co_await runtime().gather(3, [&](std::size_t i) -> task<> {
            notes_.push_back("start " + std::to_string(i));
            co_await runtime().yield();
            notes_.push_back("end " + std::to_string(i));
        });
    });
    EXPECT_THAT(notes_, ElementsAre("start 0", "start 1", "start 2", "end 0", "end 1", "end 2"));
}

TEST_F(gather_test, children_that_never_wait_are_done_at_once) {
    const auto sum = run([&]() -> task<std::size_t> {
        const auto all = co_await runtime().gather(
            1'000, [](std::size_t i) -> task<std::size_t> { co_return i; });
        co_return std::accumulate(all.begin(), all.end(), std::size_t{0});
    });
    EXPECT_EQ(sum, 499'500U);
}

TEST_F(gather_test, of_nothing_gives_nothing_at_once) {
    const auto began = runtime().now();
    run([&]() -> task<> {
        const auto none = co_await runtime().gather(0, [&](std::size_t i) { return after(1s, i); });
        EXPECT_TRUE(none.empty());
        co_await runtime().gather(0, [&](std::size_t) { return note_after(1s, "never"); });
        const auto no_tasks = co_await runtime().gather(std::vector<task<std::string>>());
        EXPECT_TRUE(no_tasks.empty());
        co_await runtime().gather();
    });
    EXPECT_EQ(runtime().now(), began);
    EXPECT_THAT(notes_, testing::IsEmpty());
}

TEST_F(gather_test, takes_a_range_of_tasks) {
    const auto results = run([&]() -> task<std::vector<std::size_t>> {
        std::vector<task<std::size_t>> tasks;
        for (std::size_t i = 0; i < 3; ++i) tasks.push_back(after(1s * i, 10 * i));
        co_return co_await runtime().gather(std::move(tasks));
    });
    EXPECT_THAT(results, ElementsAre(0, 10, 20));
    run([&]() -> task<> {
        std::array<task<>, 2> tasks{note_after(2s, "second"), note_after(1s, "first")};
        co_await runtime().gather(std::move(tasks));
    });
    EXPECT_THAT(notes_, ElementsAre("first", "second"));
}

TEST_F(gather_test, takes_tasks_of_different_types) {
    const auto began = runtime().now();
    const auto results =
        run([&]() -> task<std::tuple<std::size_t, std::monostate, std::unique_ptr<int>>> {
            const auto make = [](int value) -> task<std::unique_ptr<int>> {
                co_return std::make_unique<int>(value);
            };
            co_return co_await runtime().gather(after(2s, 1), note_after(1s, "two"), make(3));
        });
    EXPECT_EQ(std::get<0>(results), 1U);
    EXPECT_EQ(*std::get<2>(results), 3);
    EXPECT_THAT(notes_, ElementsAre("two"));
    EXPECT_EQ(runtime().now() - began, 2s);
}

struct undefaulted {
    explicit undefaulted(std::size_t value) : number(value) {}
    const std::size_t number;
};

TEST_F(gather_test, results_need_only_be_movable) {
    run([&]() -> task<> {
        const auto numbers = co_await runtime().gather(
            2, [](std::size_t i) -> task<undefaulted> { co_return undefaulted(i); });
        EXPECT_EQ(numbers.at(0).number, 0U);
        EXPECT_EQ(numbers.at(1).number, 1U);
        const auto owners =
            co_await runtime().gather(1, [](std::size_t) -> task<std::unique_ptr<int>> {
                co_return std::make_unique<int>(7);
            });
        EXPECT_EQ(*owners.at(0), 7);
        const std::vector<bool> truths =
            co_await runtime().gather(3, [](std::size_t i) -> task<bool> { co_return i % 2 == 0; });
        EXPECT_THAT(truths, ElementsAre(true, false, true));
    });
}

task<std::size_t> tree(coroutine<virtual_time_loop>& runtime, int depth) {
    if (depth == 0) {
        co_await runtime.yield();
        co_return 1;
    }
    const auto leaves = co_await runtime.gather(
        10, [&runtime, depth](std::size_t) { return tree(runtime, depth - 1); });
    co_return std::accumulate(leaves.begin(), leaves.end(), std::size_t{0});
}

TEST_F(gather_test, nests) { EXPECT_EQ(runtime().run(tree(runtime(), 4)), 10'000U); }

TEST_F(gather_test, keeps_its_body_alive_until_the_last_child_has_ended) {
    const auto results = run([&]() -> task<std::vector<std::size_t>> {
        // Not written inside co_await, since g++ 12 would destroy it twice: see gather.hpp.
        const auto body = [this, offset = std::make_shared<std::size_t>(100)](
                              std::size_t i) -> task<std::size_t> {
            co_await runtime().sleep_for(1s);
            co_return *offset + i;
        };
        co_return co_await runtime().gather(3, body);
    });
    EXPECT_THAT(results, ElementsAre(100, 101, 102));
}

TEST_F(gather_test, takes_a_body_by_reference) {
    const auto results = run([&]() -> task<std::vector<std::size_t>> {
        const auto only_mover = [offset = std::make_unique<std::size_t>(10)](
                                    std::size_t i) -> task<std::size_t> { co_return *offset + i; };
        co_return co_await runtime().gather(2, std::ref(only_mover));
    });
    EXPECT_THAT(results, ElementsAre(10, 11));
}

TEST_F(gather_test, throws_the_failure_of_the_lowest_index_when_all_have_ended) {
    std::string caught;
    run([&]() -> task<> {
        try {
            co_await runtime().gather(6, [&](std::size_t i) -> task<> {
                co_await runtime().sleep_for((6 - i) * 1s);
                if (i % 2 == 1) throw std::runtime_error("task " + std::to_string(i));
                notes_.push_back("end " + std::to_string(i));
            });
        } catch (const std::runtime_error& error) {
            caught = error.what();
        }
    });
    EXPECT_EQ(caught, "task 1") << "though tasks 5 and 3 failed before it";
    EXPECT_THAT(notes_, ElementsAre("end 4", "end 2", "end 0"));
}

TEST_F(gather_test, counts_a_body_that_throws_before_it_makes_a_task_as_that_task) {
    const auto gather_five = [&]() -> task<> {
        co_await runtime().gather(5, [&](std::size_t i) {
            if (i == 2) throw std::bad_alloc();
            if (i == 3) throw std::runtime_error("a higher index");
            return note_after(1s, std::to_string(i));
        });
    };
    EXPECT_THROW(run(gather_five), std::bad_alloc);
    EXPECT_THAT(notes_, ElementsAre("0", "1", "4"));
}

TEST_F(gather_test, counts_a_task_that_was_moved_from_as_one_that_failed) {
    std::size_t other = 0;
    const auto set_other = [&]() -> task<std::size_t> { co_return other = 2; };
    const auto gather_two = [&]() -> task<> {
        std::vector<task<std::size_t>> tasks;
        tasks.push_back(after(1s, 1));
        tasks.push_back(set_other());
        const task<std::size_t> stolen = std::move(tasks[0]);
        co_await runtime().gather(std::move(tasks));
    };
    EXPECT_THROW(run(gather_two), std::logic_error);
    EXPECT_EQ(other, 2U);
}

TEST_F(gather_test, with_no_memory_for_the_children_starts_none_of_them) {
    if (thread_sanitizer || address_sanitizer) {
        GTEST_SKIP() << "it ends the program where new would throw";
    }
    bool started = false;
    const auto gather_too_many = [&]() -> task<> {
        co_await runtime().gather(std::numeric_limits<std::size_t>::max() / 2,
                                  [&](std::size_t) -> task<> {
                                      started = true;
                                      co_return;
                                  });
    };
    EXPECT_THROW(run(gather_too_many), std::bad_alloc);
    EXPECT_FALSE(started);
    EXPECT_EQ(run([&]() { return after(1s, 5); }), 5U) << "the runtime is as good as before";
}

TEST_F(gather_test, gathers_again_after_one_that_failed) {
    const auto attempt = [&](bool failing) -> task<std::size_t> {
        const auto results =
            co_await runtime().gather(100, [&](std::size_t i) -> task<std::size_t> {
                co_await runtime().yield();
                if (failing && i == 50) throw std::runtime_error("half-way");
                co_return i;
            });
        co_return results.back();
    };
    EXPECT_THROW(runtime().run(attempt(true)), std::runtime_error);
    EXPECT_EQ(runtime().run(attempt(false)), 99U);
}

TEST_F(gather_test, abandoned_with_the_runtime_frees_its_children) {
    int freed = 0;
    run([&]() -> task<> {
        (void)runtime().spawn([](gather_test& test, int& count) -> task<> {
            co_await test.runtime().gather(10, [&](std::size_t i) -> task<> {
                const at_end counted([&] { ++count; });
                co_await test.runtime().sleep_for(1s * i);
            });
        }(*this, freed));
        co_await runtime().sleep_for(3500ms);
    });
    EXPECT_EQ(freed, 4) << "those of 0, 1, 2 and 3 s have ended";
    end_runtime();
    EXPECT_EQ(freed, 10);
    EXPECT_THAT(reports(), ElementsAre(testing::HasSubstr("1 spawned task")));
}

/// How many of the leaves of a tree of gathers are in flight at most, each of which yields once.
template <class Runtime>
task<> leaf(Runtime& runtime, std::size_t& now, std::size_t& most) {
    most = std::max(most, ++now);
    co_await runtime.yield();
    --now;
}
template <class Runtime>
task<> branch(Runtime& runtime, int depth, std::size_t& now, std::size_t& most) {
    if (depth == 0) return leaf(runtime, now, most);
    return [](Runtime& on, int below, std::size_t& counted, std::size_t& peak) -> task<> {
        co_await on.gather(10, [&](std::size_t) { return branch(on, below, counted, peak); });
    }(runtime, depth - 1, now, most);
}

TEST_F(gather_test, has_few_in_flight_that_only_yield) {
    std::size_t now = 0;
    std::size_t most = 0;
    run([&]() -> task<> {
        co_await runtime().gather(10'000, [&](std::size_t) { return leaf(runtime(), now, most); });
    });
    EXPECT_EQ(most, starts_in_iteration);
    most = 0;
    run([&]() -> task<> { co_await branch(runtime(), 4, now, most); });
    EXPECT_EQ(now, 0U);
    EXPECT_GT(most, 1U);
    EXPECT_LE(most, starts_in_iteration) << "of ten thousand leaves";
}

TEST_F(gather_test, has_all_in_flight_that_wait) {
    std::size_t now = 0;
    std::size_t most = 0;
    run([&]() -> task<> {
        co_await runtime().gather(10'000, [&](std::size_t) -> task<> {
            most = std::max(most, ++now);
            co_await runtime().sleep_for(1s);
            --now;
        });
    });
    EXPECT_EQ(most, 10'000U);
}

TEST_F(gather_test, cancelled_before_all_have_started_starts_no_more) {
    std::size_t started = 0;
    run([&]() -> task<> {
        auto gathering = runtime().spawn([](gather_test& test, std::size_t& count) -> task<> {
            co_await test.runtime().gather(10'000, [&](std::size_t) -> task<> {
                ++count;
                co_await test.runtime().sleep_for(1s);
            });
        }(*this, started));
        co_await runtime().yield();
        gathering.cancel();
        EXPECT_THROW(co_await std::move(gathering), std::system_error);
    });
    EXPECT_GE(started, 1U);
    EXPECT_LE(started, 2 * starts_in_iteration);
}

TEST_F(gather_test, abandoned_before_all_have_started_frees_those_that_have) {
    std::size_t freed = 0;
    std::size_t started = 0;
    run([&]() -> task<> {
        (void)runtime().spawn(
            [](gather_test& test, std::size_t& begun, std::size_t& ended) -> task<> {
                co_await test.runtime().gather(10'000, [&](std::size_t) -> task<> {
                    const at_end counted([&] { ++ended; });
                    ++begun;
                    co_await test.runtime().sleep_for(1s);
                });
            }(*this, started, freed));
        co_await runtime().yield();
    });
    end_runtime();
    EXPECT_EQ(freed, started);
    EXPECT_LT(started, 10'000U);
}

TEST_F(gather_test, of_a_million_sleepers_wakes_each_at_its_time) {
    constexpr std::size_t tasks = 1'000'000;
    const auto began = runtime().now();
    const auto late = run([&]() -> task<std::size_t> {
        const auto lateness =
            co_await runtime().gather(tasks, [&](std::size_t i) -> task<nanoseconds> {
                const auto deadline = began + 1us * (i * 7'919 % tasks);
                co_await runtime().sleep_until(deadline);
                co_return runtime().now() - deadline;
            });
        std::size_t not_exact = 0;
        for (const auto each : lateness) not_exact += each != 0ns;
        co_return not_exact;
    });
    EXPECT_EQ(late, 0U);
    EXPECT_EQ(runtime().now() - began, 1us * (tasks - 1));
}

}  // namespace
