// Tasks ended from outside: whatever they wait for, with their clean-up, and seen by who joins them.
#include "testing/on_loop.hpp"

#include <overlap/coroutine/async_generator.hpp>

#include <chrono>
#include <gmock/gmock.h>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using namespace overlap;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

class cancel_test : public on_virtual_time {
public:
    at_end noting(std::string what) {
        return at_end([this, what = std::move(what)] { notes_.push_back(what); });
    }

    task<> sleep_long(std::string name) {
        const auto clean_up = noting(name);
        co_await runtime().sleep_for(1h);
        notes_.push_back(name + " woke");
    }

    /// Whether joining throws that the task was cancelled.
    template <class T>
    task<bool> was_cancelled(spawned<T>& joined) {
        try {
            co_await joined;
        } catch (const std::system_error& error) {
            co_return error.code() == std::errc::operation_canceled;
        }
        co_return false;
    }

    /// Starts `work`, lets it come to where it waits, cancels it, and returns whether that was seen at
    /// the same moment by who joins it.
    template <class T>
    bool cancels(task<T> work) {
        return run([this, &work]() -> task<bool> {
            const time_point begin = runtime().now();
            auto background = runtime().spawn(std::move(work));
            for (int i = 0; i < 3; ++i) co_await runtime().yield();
            background.cancel();
            EXPECT_FALSE(background.is_done()) << "it ends from inside run()";
            const bool seen = co_await was_cancelled(background);
            co_return seen&& runtime().now() == begin;
        });
    }

    std::vector<std::string> notes_;
};

TEST_F(cancel_test, a_sleeping_task_ends_with_its_clean_up) {
    EXPECT_TRUE(cancels(sleep_long("sleeper")));
    EXPECT_THAT(notes_, ElementsAre("sleeper"));
    EXPECT_THAT(reports(), IsEmpty());
}

TEST_F(cancel_test, tasks_that_wait_for_tasks_end_inside_out) {
    const auto outer = [](cancel_test& test) -> task<> {
        const auto clean_up = test.noting("outer");
        co_await [](cancel_test& inner) -> task<> {
            const auto clean_up_too = inner.noting("middle");
            co_await inner.sleep_long("inner");
        }(test);
    };
    EXPECT_TRUE(cancels(outer(*this)));
    EXPECT_THAT(notes_, ElementsAre("inner", "middle", "outer"));
}

TEST_F(cancel_test, a_gather_ends_after_all_its_tasks) {
    const auto gathering = [](cancel_test& test) -> task<> {
        const auto clean_up = test.noting("gatherer");
        const auto body = [&test](std::size_t i) { return test.sleep_long(std::to_string(i)); };
        co_await test.runtime().gather(2, [&](std::size_t i) -> task<> {
            if (i == 1) co_await test.runtime().gather(2, std::ref(body));
            if (i == 0) co_await test.sleep_long("left");
        });
    };
    EXPECT_TRUE(cancels(gathering(*this)));
    EXPECT_THAT(notes_, ElementsAre("left", "0", "1", "gatherer"));
}

TEST_F(cancel_test, a_child_that_ends_by_itself_does_not_wake_a_gather_that_lacks_results) {
    const auto gathering = [](cancel_test& test) -> task<> {
        const auto clean_up = test.noting("gatherer");
        co_await test.runtime().gather(2, [&](std::size_t i) -> task<int> {
            if (i == 0) co_await test.sleep_long("sleeper");
            auto [promise, future] = test.runtime().make_future<int>();
            promise.set_value(1);
            co_return co_await std::move(future);
        });
        test.notes_.emplace_back("went on");
    };
    EXPECT_TRUE(cancels(gathering(*this)));
    EXPECT_THAT(notes_, ElementsAre("sleeper", "gatherer"));
}

TEST_F(cancel_test, reaches_what_waits_for_a_future) {
    auto [promise, future] = runtime().make_future<int>();
    const auto waiting = [](cancel_test& test, overlap::future<int> value) -> task<> {
        const auto clean_up = test.noting("waiter");
        co_await value;
    };
    EXPECT_TRUE(cancels(waiting(*this, std::move(future))));
    EXPECT_THAT(notes_, ElementsAre("waiter"));
    promise.set_value(1);  // To nobody.
}

TEST_F(cancel_test, of_who_joins_leaves_the_joined_task_alone) {
    auto joined = runtime().spawn([](cancel_test& test) -> task<int> {
        co_await test.runtime().sleep_for(10s);
        co_return 5;
    }(*this));
    const auto joining = [](cancel_test& test, spawned<int>& other) -> task<> {
        const auto clean_up = test.noting("joiner");
        co_await other;
    };
    EXPECT_TRUE(cancels(joining(*this, joined)));
    EXPECT_THAT(notes_, ElementsAre("joiner"));
    EXPECT_EQ(run([&]() -> task<int> { co_return co_await joined; }), 5);
}

TEST_F(cancel_test, reaches_into_a_generator) {
    const auto numbers = [](cancel_test& test) -> async_generator<int> {
        const auto clean_up = test.noting("generator");
        co_yield 1;
        co_await test.runtime().sleep_for(1h);
        co_yield 2;
    };
    const auto consuming = [&numbers](cancel_test& test) -> task<> {
        const auto clean_up = test.noting("consumer");
        auto all = numbers(test);
        while (co_await all.next()) test.notes_.emplace_back("value");
    };
    EXPECT_TRUE(cancels(consuming(*this)));
    EXPECT_THAT(notes_, ElementsAre("value", "generator", "consumer"));
}

TEST_F(cancel_test, before_its_start_nothing_of_the_task_runs) {
    run([&]() -> task<> {
        auto background = runtime().spawn(sleep_long("never begun"));
        background.cancel();
        EXPECT_TRUE(co_await was_cancelled(background));
    });
    EXPECT_THAT(notes_, IsEmpty());
}

TEST_F(cancel_test, before_its_start_and_without_a_handle) {
    run([&]() -> task<> {
        runtime().spawn(sleep_long("never begun")).cancel();
        co_await runtime().yield();
        EXPECT_EQ(runtime().spawned_count(), 0U);
    });
    EXPECT_THAT(notes_, IsEmpty());
    EXPECT_THAT(reports(), IsEmpty());
}

TEST_F(cancel_test, twice_is_once) {
    run([&]() -> task<> {
        auto background = runtime().spawn(sleep_long("sleeper"));
        co_await runtime().yield();
        background.cancel();
        background.cancel();
        EXPECT_TRUE(co_await was_cancelled(background));
        background.cancel();
    });
    EXPECT_THAT(notes_, ElementsAre("sleeper"));
}

TEST_F(cancel_test, after_the_end_the_result_is_there) {
    const int result = run([&]() -> task<int> {
        auto background = runtime().spawn([]() -> task<int> { co_return 7; }());
        co_await runtime().yield();
        background.cancel();
        co_return co_await background;
    });
    EXPECT_EQ(result, 7);
}

TEST_F(cancel_test, of_itself_takes_effect_at_the_next_wait) {
    run([&]() -> task<> {
        spawned<>* self = nullptr;
        auto background = runtime().spawn([](cancel_test& test, spawned<>*& me) -> task<> {
            const auto clean_up = test.noting("end");
            co_await test.runtime().yield();
            me->cancel();
            test.notes_.emplace_back("goes on");
            co_await test.runtime().close(-1);
        }(*this, self));
        self = &background;
        bool threw = false;
        try {
            co_await background;
        } catch (const std::system_error& error) {
            threw = error.code() == std::errc::operation_not_supported;
        }
        EXPECT_TRUE(threw) << "close is never cancelled";
    });
    EXPECT_THAT(notes_, ElementsAre("goes on", "end"));
}

TEST_F(cancel_test, tasks_begun_by_a_task_that_was_cancelled_end_where_they_wait) {
    run([&]() -> task<> {
        spawned<>* self = nullptr;
        auto background = runtime().spawn([](cancel_test& test, spawned<>*& me) -> task<> {
            co_await test.runtime().yield();
            me->cancel();
            co_await test.runtime().gather(
                2, [&test](std::size_t i) { return test.sleep_long(std::to_string(i)); });
        }(*this, self));
        self = &background;
        EXPECT_TRUE(co_await was_cancelled(background));
    });
    EXPECT_THAT(notes_, ElementsAre("0", "1"));
}

TEST_F(cancel_test, clean_up_may_begin_other_work) {
    run([&]() -> task<> {
        auto background = runtime().spawn([](cancel_test& test) -> task<> {
            const at_end clean_up([&] { (void)test.runtime().spawn(test.sleep_long("after")); });
            co_await test.runtime().sleep_for(1h);
        }(*this));
        co_await runtime().yield();
        background.cancel();
        EXPECT_TRUE(co_await was_cancelled(background));
        co_await runtime().sleep_for(2h);
    });
    EXPECT_THAT(notes_, ElementsAre("after woke", "after"));
}

TEST_F(cancel_test, a_hundred_thousand_sleepers) {
    const auto gathering = [](cancel_test& test) -> task<> {
        co_await test.runtime().gather(100'000, [&test](std::size_t i) -> task<> {
            co_await test.runtime().sleep_for(1h + i * 1us);
        });
    };
    EXPECT_TRUE(cancels(gathering(*this)));
}

TEST_F(cancel_test, a_deep_chain_does_not_nest_on_the_stack) {
    struct chain {
        static task<> below(cancel_test& test, int depth) {
            if (depth == 0) co_await test.runtime().sleep_for(1h);
            if (depth != 0) co_await below(test, depth - 1);
        }
    };
    EXPECT_TRUE(cancels(chain::below(*this, 200'000)));
}

}  // namespace
