// The tour: what tutorials of asyncio show, on the coroutine runtime, with the same output.
//
// Written once for any loop: INSTANTIATE_TYPED_TEST_SUITE_P(mine, tour, my_loop) puts a loop of
// your own through it.
#pragma once

#include "on_loop.hpp"

#include <overlap/coroutine/async_generator.hpp>

#include <algorithm>
#include <chrono>
#include <coroutine>
#include <exception>
#include <future>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace overlap {

/// From when to when a task was in flight.
struct lifetime {
    time_point began;
    time_point ended;
};

/// What a tutorial prints is collected, and its seconds last a second where time is virtual and a
/// twentieth elsewhere.
template <event_loop Loop>
class tour : public on_loop<Loop> {
public:
    static constexpr bool exact = std::is_same_v<Loop, virtual_time_loop>;
    static constexpr nanoseconds second = exact ? std::chrono::seconds(1) : nanoseconds(50'000'000);

    void SetUp() override {
        on_loop<Loop>::SetUp();
        if (!this->IsSkipped()) begin();
    }

    void print(std::string line) { printed_.push_back(std::move(line)); }

    /// What was printed since the last call.
    std::vector<std::string> printed() { return std::exchange(printed_, {}); }

    /// Starts the clock anew.
    void begin() { began_ = this->runtime().now(); }

    /// Sleeps until so many seconds after begin(). From one origin, so that a machine that stalls
    /// between two tasks cannot change the order of their deadlines.
    auto until(nanoseconds since_begin) {
        return this->runtime().sleep_until(began_ + since_begin);
    }

    /// Exactly this long since begin() where time is virtual; elsewhere at least. That it was not
    /// as long as one after another is seen from lifetimes, which no slow machine can spoil.
    void expect_took(nanoseconds expected) {
        const nanoseconds took = this->runtime().now() - began_;
        if (exact) {
            EXPECT_EQ(took, expected);
        } else {
            EXPECT_GE(took, expected);
        }
    }

    /// That there was a moment when all of them were in flight.
    static void expect_overlap(const std::vector<lifetime>& tasks) {
        const auto last_began = std::ranges::max(tasks, {}, &lifetime::began).began;
        const auto first_ended = std::ranges::min(tasks, {}, &lifetime::ended).ended;
        EXPECT_LT(last_began, first_ended);
    }

    /// Sleeps, then says `n` and returns it.
    task<int> func(int n, nanoseconds since_begin) {
        co_await until(since_begin);
        print("done " + std::to_string(n));
        co_return n;
    }

    task<lifetime> count() {
        const auto began = this->runtime().now();
        print("One");
        co_await this->runtime().sleep_for(second);
        print("Two");
        co_return lifetime{began, this->runtime().now()};
    }

    task<int> h(int value) {
        if (value < 0) throw std::domain_error("h wants no negative numbers");
        co_await this->runtime().sleep_for(second);
        co_return value + 1;
    }
    task<int> g(int value) {
        const int from_h = co_await h(value);
        co_return from_h * 10;
    }
    task<int> f(int value) {
        const int from_g = co_await g(value);
        co_return from_g + 3;
    }

    task<long> chain(long length) {
        if (length == 0) co_return 0;
        const long rest = co_await chain(length - 1);
        co_return rest + 1;
    }

    async_generator<int> ticker(int count) {
        const at_end noted([this] { print("clean-up"); });
        for (int i = 0; i < count; ++i) {
            co_yield i;
            co_await this->runtime().sleep_for(second);
        }
    }

    /// Holds the whole thread, as time.sleep() or a computation does.
    task<> block(std::string name) {
        print("begin " + name);
        std::this_thread::sleep_for(blocked);
        print("end " + name);
        co_return;
    }
    static constexpr std::chrono::milliseconds blocked{10};

private:
    time_point began_;
    std::vector<std::string> printed_;
};

/// A user's own type with the await protocol: waits its turn and says how many turns it took.
template <event_loop Loop>
struct a_turn : operation {
    explicit a_turn(Loop& on) : operation(&resume), loop(on) {}

    static bool await_ready() noexcept { return false; }
    void await_suspend(std::coroutine_handle<> who) {
        waiter = who;
        loop.post(this);
    }
    static int await_resume() noexcept { return 1; }

    static void resume(operation* self) noexcept { static_cast<a_turn*>(self)->waiter.resume(); }

    Loop& loop;
    std::coroutine_handle<> waiter;
};

TYPED_TEST_SUITE_P(tour);

TYPED_TEST_P(tour, T1_three_counts_gathered) {
    const auto lifetimes = this->run([&]() -> task<std::vector<lifetime>> {
        co_return co_await this->runtime().gather(3, [&](std::size_t) { return this->count(); });
    });
    EXPECT_THAT(this->printed(), testing::ElementsAre("One", "One", "One", "Two", "Two", "Two"));
    this->expect_overlap(lifetimes);
    this->expect_took(this->second);
}

TYPED_TEST_P(tour, T2_a_coroutine_called_but_never_awaited) {
    {
        const auto never = this->count();
        auto awaited = this->count();
        auto in_background = this->count();
        EXPECT_THAT(this->printed(), testing::IsEmpty());
        this->run([&]() -> task<> {
            co_await std::move(awaited);
            EXPECT_THAT(this->printed(), testing::ElementsAre("One", "Two"));
            co_await this->runtime().spawn(std::move(in_background));
            EXPECT_THAT(this->printed(), testing::ElementsAre("One", "Two"));
        });
    }
    EXPECT_THAT(this->printed(), testing::IsEmpty());
    EXPECT_THAT(this->reports(), testing::IsEmpty());
}

TYPED_TEST_P(tour, T3_the_loop_runs_the_root_to_its_result_and_stops) {
    const auto main = [&](int value) -> task<int> {
        co_await this->runtime().sleep_for(this->second);
        co_return value;
    };
    EXPECT_EQ(this->runtime().run(main(1)), 1);
    EXPECT_EQ(this->runtime().run(main(2)), 2);
    this->expect_took(2 * this->second);
    this->run([&]() -> task<> {
        (void)this->runtime().spawn(this->func(3, std::chrono::hours(1)));
        co_await this->runtime().yield();
    });
    EXPECT_EQ(this->runtime().spawned_count(), 1U);
    this->end_runtime();
    EXPECT_THAT(this->reports(),
                testing::ElementsAre("1 spawned task had not ended when its runtime did"));
}

TYPED_TEST_P(tour, T4_values_and_exceptions_pass_back_through_a_chain) {
    EXPECT_EQ(this->runtime().run(this->f(4)), 53);
    this->expect_took(this->second);
    EXPECT_THROW(this->runtime().run(this->f(-1)), std::domain_error);
    constexpr long length = 1'000'000;
    EXPECT_EQ(this->runtime().run(this->chain(length)), length);
}

TYPED_TEST_P(tour, T5_a_task_runs_in_the_background_while_its_creator_goes_on) {
    this->run([&]() -> task<> {
        auto background = this->runtime().spawn(this->func(1, this->second));
        this->print("created");
        co_await this->until(this->second / 2);
        this->print("creator went on");
        co_await this->until(2 * this->second);
        const int result = co_await background;
        this->print("result " + std::to_string(result));

        auto failed = this->runtime().spawn(this->f(-1));
        try {
            co_await failed;
        } catch (const std::domain_error&) {
            this->print("failed");
        }
        EXPECT_THAT(this->reports(), testing::IsEmpty());
        (void)this->runtime().spawn(this->f(-2));
        co_await this->runtime().yield();
    });
    EXPECT_THAT(this->printed(),
                testing::ElementsAre("created", "creator went on", "done 1", "result 1", "failed"));
    EXPECT_THAT(this->reports(),
                testing::ElementsAre(testing::HasSubstr("h wants no negative numbers")));
}

TYPED_TEST_P(tour, T6_tasks_end_in_the_order_of_their_delays_not_of_their_start) {
    const auto work = [&](int n) -> task<lifetime> {
        const auto began = this->runtime().now();
        this->print("started " + std::to_string(n));
        co_await this->until(this->second / (n + 1));
        this->print("done " + std::to_string(n));
        co_return lifetime{began, this->runtime().now()};
    };
    std::vector<lifetime> lifetimes;
    this->run([&]() -> task<> {
        std::vector<spawned<lifetime>> tasks;
        for (int n = 0; n < 4; ++n) tasks.push_back(this->runtime().spawn(work(n)));
        for (auto& each : tasks) lifetimes.push_back(co_await each);
    });
    EXPECT_THAT(this->printed(),
                testing::ElementsAre("started 0", "started 1", "started 2", "started 3", "done 3",
                                     "done 2", "done 1", "done 0"));
    this->expect_overlap(lifetimes);
    this->expect_took(this->second);
}

TYPED_TEST_P(tour, T7_awaited_one_by_one_or_gathered_the_results_keep_their_order) {
    const auto one_by_one = this->run([&]() -> task<std::vector<int>> {
        auto first = this->runtime().spawn(this->func(1, 1 * this->second));
        auto next = this->runtime().spawn(this->func(2, 3 * this->second));
        auto last = this->runtime().spawn(this->func(3, 2 * this->second));
        std::vector<int> results;
        results.push_back(co_await first);
        results.push_back(co_await next);
        results.push_back(co_await last);
        co_return results;
    });
    EXPECT_THAT(this->printed(), testing::ElementsAre("done 1", "done 3", "done 2"));
    EXPECT_THAT(one_by_one, testing::ElementsAre(1, 2, 3));
    this->expect_took(3 * this->second);

    this->begin();
    const auto gathered = this->run([&]() -> task<std::tuple<int, int, int>> {
        co_return co_await this->runtime().gather(this->func(1, 1 * this->second),
                                                  this->func(2, 3 * this->second),
                                                  this->func(3, 2 * this->second));
    });
    EXPECT_THAT(this->printed(), testing::ElementsAre("done 1", "done 3", "done 2"));
    EXPECT_EQ(gathered, std::tuple(1, 2, 3));
    this->expect_took(3 * this->second);
}

TYPED_TEST_P(tour, T8_gather_of_different_types_of_a_range_and_of_nothing) {
    const auto name = []() -> task<std::string> { co_return "name"; };
    this->run([&]() -> task<> {
        const auto nothing = co_await this->runtime().gather(std::vector<task<int>>());
        EXPECT_TRUE(nothing.empty());
        if (this->exact) this->expect_took(nanoseconds(0));
        const auto mixed = co_await this->runtime().gather(this->func(1, this->second), name());
        EXPECT_EQ(mixed, std::tuple(1, "name"));
        std::vector<task<int>> tasks;
        for (int n = 0; n < 3; ++n) tasks.push_back(this->func(n, 2 * this->second));
        const auto range = co_await this->runtime().gather(std::move(tasks));
        EXPECT_THAT(range, testing::ElementsAre(0, 1, 2));
    });
    this->expect_took(2 * this->second);
}

TYPED_TEST_P(tour, T9_a_future_made_by_one_is_set_by_another) {
    const auto set_later = [&](promise<std::string> to) -> task<> {
        co_await this->runtime().sleep_for(2 * this->second);
        to.set_value("Future is done!");
        try {
            to.set_value("Again?");
        } catch (const std::future_error& error) {
            EXPECT_EQ(error.code(), std::future_errc::promise_already_satisfied);
            this->print("set once");
        }
    };
    const auto forget = [](promise<std::string>) -> task<> { co_return; };
    this->run([&]() -> task<> {
        auto kept = this->runtime().template make_future<std::string>();
        (void)this->runtime().spawn(set_later(std::move(kept.promise)));
        this->print(co_await kept.future);

        auto broken = this->runtime().template make_future<std::string>();
        (void)this->runtime().spawn(forget(std::move(broken.promise)));
        try {
            co_await broken.future;
        } catch (const std::future_error& error) {
            EXPECT_EQ(error.code(), std::future_errc::broken_promise);
            this->print("never set");
        }
    });
    EXPECT_THAT(this->printed(), testing::ElementsAre("set once", "Future is done!", "never set"));
    this->expect_took(2 * this->second);
}

TYPED_TEST_P(tour, T10_a_coroutine_a_task_a_future_and_a_users_own_type_can_be_awaited) {
    const int sum = this->run([&]() -> task<int> {
        auto ends = this->runtime().template make_future<int>();
        auto background = this->runtime().spawn(this->func(1'000, this->second));
        ends.promise.set_value(100);
        const int from_coroutine = co_await this->func(10, this->second);
        const int from_task = co_await background;
        const int from_future = co_await ends.future;
        const int from_users_own = co_await a_turn(this->runtime().loop());
        co_return from_coroutine + from_task + from_future + from_users_own;
    });
    EXPECT_EQ(sum, 1'111);
    this->expect_took(this->second);
}

TYPED_TEST_P(tour, T11_an_async_generator_yields_and_cleans_up) {
    this->run([&]() -> task<> {
        auto all = this->ticker(3);
        while (const auto tick = co_await all.next()) this->print(std::to_string(*tick));
        this->print("end");
    });
    EXPECT_THAT(this->printed(), testing::ElementsAre("0", "1", "2", "clean-up", "end"));
    this->expect_took(3 * this->second);
    this->run([&]() -> task<> {
        auto dropped = this->ticker(3);
        const auto first = co_await dropped.next();
        this->print(std::to_string(*first));
    });
    EXPECT_THAT(this->printed(), testing::ElementsAre("0", "clean-up"));
}

TYPED_TEST_P(tour, T12_sleep_suspends_and_a_blocking_call_does_not) {
    const auto polite = [&](std::string name, nanoseconds delay) -> task<> {
        this->print("begin " + name);
        co_await this->runtime().sleep_for(delay);
        this->print("end " + name);
    };
    this->run([&]() -> task<> {
        co_await this->runtime().gather(polite("a", nanoseconds(0)), polite("b", nanoseconds(0)));
    });
    EXPECT_THAT(this->printed(), testing::ElementsAre("begin a", "begin b", "end a", "end b"));

    const auto began = std::chrono::steady_clock::now();
    this->run([&]() -> task<> {
        co_await this->runtime().gather(this->block("a"), this->block("b"), this->block("c"));
    });
    EXPECT_THAT(this->printed(),
                testing::ElementsAre("begin a", "end a", "begin b", "end b", "begin c", "end c"));
    EXPECT_GE(std::chrono::steady_clock::now() - began, 3 * this->blocked);
}

TYPED_TEST_P(tour, T13_a_task_that_computes_without_awaiting_holds_up_all_others) {
    const auto beat = [&](const bool& enough) -> task<> {
        while (!enough) {
            this->print("beat");
            co_await this->runtime().sleep_for(std::chrono::microseconds(100));
        }
    };
    this->run([&]() -> task<> {
        bool enough = false;
        auto heart = this->runtime().spawn(beat(enough));
        co_await this->runtime().sleep_for(std::chrono::milliseconds(1));
        co_await this->block("computation");
        co_await this->runtime().sleep_for(std::chrono::milliseconds(1));
        enough = true;
        co_await heart;
    });
    const auto lines = this->printed();
    const auto begin = std::ranges::find(lines, "begin computation");
    ASSERT_NE(begin, lines.end());
    EXPECT_EQ(*(begin - 1), "beat") << "the heart beat before";
    EXPECT_EQ(*(begin + 1), "end computation") << "and not once during the computation";
    EXPECT_EQ(lines.back(), "beat") << "but again after it";
}

REGISTER_TYPED_TEST_SUITE_P(tour, T1_three_counts_gathered, T2_a_coroutine_called_but_never_awaited,
                            T3_the_loop_runs_the_root_to_its_result_and_stops,
                            T4_values_and_exceptions_pass_back_through_a_chain,
                            T5_a_task_runs_in_the_background_while_its_creator_goes_on,
                            T6_tasks_end_in_the_order_of_their_delays_not_of_their_start,
                            T7_awaited_one_by_one_or_gathered_the_results_keep_their_order,
                            T8_gather_of_different_types_of_a_range_and_of_nothing,
                            T9_a_future_made_by_one_is_set_by_another,
                            T10_a_coroutine_a_task_a_future_and_a_users_own_type_can_be_awaited,
                            T11_an_async_generator_yields_and_cleans_up,
                            T12_sleep_suspends_and_a_blocking_call_does_not,
                            T13_a_task_that_computes_without_awaiting_holds_up_all_others);

}  // namespace overlap
