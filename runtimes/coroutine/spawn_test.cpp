#include "testing/on_loop.hpp"

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
using testing::HasSubstr;
using testing::IsEmpty;

class spawn_test : public on_virtual_time {
public:
    void note(std::string line) { notes_.push_back(std::move(line)); }

    task<int> say_and_return(int value) {
        note("begin " + std::to_string(value));
        co_await runtime().sleep_for(1s * value);
        note("end " + std::to_string(value));
        co_return value;
    }
    task<> fail_after(nanoseconds delay, const char* why) {
        co_await runtime().sleep_for(delay);
        throw std::runtime_error(why);
    }

    std::vector<std::string> notes_;
};

TEST_F(spawn_test, starts_when_the_spawner_next_waits) {
    run([&]() -> task<> {
        auto one = runtime().spawn(say_and_return(1));
        auto two = runtime().spawn(say_and_return(2));
        note("spawned");
        EXPECT_FALSE(one.is_done());
        co_await runtime().yield();
        note("yielded");
        EXPECT_EQ(runtime().spawned_count(), 2U);
        co_await two;
        EXPECT_TRUE(one.is_done());
        co_await one;
    });
    EXPECT_THAT(notes_, ElementsAre("spawned", "begin 1", "begin 2", "yielded", "end 1", "end 2"));
    EXPECT_EQ(runtime().spawned_count(), 0U);
}

TEST_F(spawn_test, joined_before_or_after_its_end_gives_its_result) {
    const auto results = run([&]() -> task<std::vector<int>> {
        auto waited_for = runtime().spawn(say_and_return(2));
        auto long_done = runtime().spawn(say_and_return(1));
        const int first = co_await waited_for;
        const int second = co_await long_done;
        const int third = co_await runtime().spawn(say_and_return(3));
        co_return std::vector{first, second, third};
    });
    EXPECT_THAT(results, ElementsAre(2, 1, 3));
}

TEST_F(spawn_test, results_need_only_be_movable) {
    struct fixed {
        const int number;
    };
    run([&]() -> task<> {
        auto owner = runtime().spawn(
            []() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(4); }());
        auto constant = runtime().spawn([]() -> task<fixed> { co_return fixed{5}; }());
        const auto owned = co_await owner;
        EXPECT_EQ(*owned, 4);
        const auto number = co_await constant;
        EXPECT_EQ(number.number, 5);
    });
}

TEST_F(spawn_test, that_failed_throws_where_it_is_joined_and_is_not_reported) {
    run([&]() -> task<> {
        auto early = runtime().spawn(fail_after(1s, "early"));
        auto late = runtime().spawn(fail_after(2s, "late"));
        const auto join = [this](spawned<>& failed) -> task<> {
            try {
                co_await failed;
                note("nothing thrown");
            } catch (const std::runtime_error& error) {
                note(error.what());
            }
        };
        co_await join(late);
        co_await join(early);
    });
    EXPECT_THAT(notes_, ElementsAre("late", "early"));
    EXPECT_THAT(reports(), IsEmpty());
}

TEST_F(spawn_test, that_failed_with_nobody_to_join_it_is_reported) {
    run([&]() -> task<> {
        (void)runtime().spawn(fail_after(1s, "dropped at once"));
        auto kept = std::optional(runtime().spawn(fail_after(1s, "dropped when it had failed")));
        co_await runtime().sleep_for(2s);
        EXPECT_EQ(reports().size(), 1U);
        kept.reset();
    });
    EXPECT_THAT(reports(),
                ElementsAre(HasSubstr("dropped at once"), HasSubstr("dropped when it had failed")));
}

TEST_F(spawn_test, what_is_thrown_need_not_be_an_exception_class) {
    run([&]() -> task<> {
        (void)runtime().spawn([]() -> task<> {
            throw 42;
            co_return;
        }());
        co_await runtime().yield();
    });
    EXPECT_THAT(reports(), ElementsAre(HasSubstr("no std::exception")));
}

TEST_F(spawn_test, is_joined_once) {
    run([&]() -> task<> {
        auto handle = runtime().spawn(say_and_return(1));
        co_await handle;
        try {
            co_await handle;
            note("joined twice");
        } catch (const std::logic_error& error) {
            note(error.what());
        }
    });
    EXPECT_THAT(notes_.back(), HasSubstr("awaited once"));
}

TEST_F(spawn_test, is_joined_by_one_only_while_it_runs) {
    run([&]() -> task<> {
        auto handle = runtime().spawn(say_and_return(2));
        auto joiner =
            runtime().spawn([](auto& joined) -> task<int> { co_return co_await joined; }(handle));
        co_await runtime().sleep_for(1s);
        try {
            co_await handle;
            note("joined twice");
        } catch (const std::logic_error&) {
            note("refused");
        }
        const int result = co_await joiner;
        EXPECT_EQ(result, 2);
    });
    EXPECT_THAT(notes_, ElementsAre("begin 2", "refused", "end 2"));
}

TEST_F(spawn_test, goes_on_in_the_next_run) {
    run([&]() -> task<> {
        (void)runtime().spawn(say_and_return(5));
        co_await runtime().sleep_for(1s);
    });
    EXPECT_THAT(notes_, ElementsAre("begin 5"));
    EXPECT_EQ(runtime().spawned_count(), 1U);
    run([&]() -> task<> { co_await runtime().sleep_for(10s); });
    EXPECT_THAT(notes_, ElementsAre("begin 5", "end 5"));
    EXPECT_THAT(reports(), IsEmpty());
}

TEST_F(spawn_test, left_over_is_reported_and_freed) {
    int freed = 0;
    run([&]() -> task<> {
        for (int i = 0; i < 3; ++i) {
            (void)runtime().spawn([](spawn_test& test, int& count) -> task<> {
                const at_end counted([&] { ++count; });
                co_await test.runtime().sleep_for(1h);
            }(*this, freed));
        }
        co_await runtime().yield();
    });
    end_runtime();
    EXPECT_EQ(freed, 3);
    EXPECT_THAT(reports(), ElementsAre("3 spawned tasks had not ended when their runtime did"));
}

TEST_F(spawn_test, left_over_with_its_joiner_is_freed_whichever_was_spawned_first) {
    int freed = 0;
    const auto sleeper = [](spawn_test& test, int& count) -> task<> {
        const at_end counted([&] { ++count; });
        co_await test.runtime().sleep_for(1h);
    };
    const auto joiner = [](spawn_test& test, spawned<> joined, int& count) -> task<> {
        const at_end counted([&] { ++count; });
        co_await joined;
        co_await test.runtime().sleep_for(1h);
    };
    run([&]() -> task<> {
        (void)runtime().spawn(joiner(*this, runtime().spawn(sleeper(*this, freed)), freed));
        (void)runtime().spawn([](auto& test, auto& each, auto& other, int& count) -> task<> {
            co_await each(test, test.runtime().spawn(other(test, count)), count);
        }(*this, joiner, sleeper, freed));
        co_await runtime().yield();
        co_await runtime().yield();
    });
    EXPECT_EQ(runtime().spawned_count(), 4U);
    end_runtime();
    EXPECT_EQ(freed, 4);
}

TEST_F(spawn_test, never_started_is_freed) {
    auto argument = std::make_shared<int>();
    const auto hold = [](std::shared_ptr<int>) -> task<> { co_return; };
    run([&]() -> task<> {
        (void)runtime().spawn(hold(argument));
        co_return;
    });
    end_runtime();
    EXPECT_EQ(argument.use_count(), 1);
}

TEST_F(spawn_test, of_a_task_that_was_moved_from_fails_where_it_is_joined) {
    const auto join = [&]() -> task<int> {
        task<int> work = say_and_return(1);
        const task<int> stolen = std::move(work);
        co_return co_await runtime().spawn(std::move(work));
    };
    EXPECT_THROW(run(join), std::logic_error);
}

}  // namespace
