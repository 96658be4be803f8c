#include "testing/on_loop.hpp"

#include <chrono>
#include <exception>
#include <functional>
#include <future>
#include <gmock/gmock.h>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace {

using namespace overlap;
using namespace std::chrono_literals;

class future_test : public on_virtual_time {
protected:
    /// What std::future_error `attempt` throws, as a task.
    template <class Attempt>
    static task<std::optional<std::future_errc>> error_of(Attempt attempt) {
        try {
            co_await attempt();
        } catch (const std::future_error& error) {
            co_return static_cast<std::future_errc>(error.code().value());
        }
        co_return std::nullopt;
    }
};

TEST_F(future_test, brings_a_value_from_one_task_to_another) {
    const auto began = runtime().now();
    const std::string message = run([&]() -> task<std::string> {
        auto [promise, future] = runtime().make_future<std::string>();
        (void)runtime().spawn([](auto& time, auto setting) -> task<> {
            co_await time.sleep_for(2s);
            setting.set_value("Future is done!");
        }(runtime(), std::move(promise)));
        co_return co_await future;
    });
    EXPECT_EQ(message, "Future is done!");
    EXPECT_EQ(runtime().now() - began, 2s);
}

TEST_F(future_test, set_before_it_is_awaited_is_ready) {
    const auto owned = run([&]() -> task<std::unique_ptr<int>> {
        auto [promise, future] = runtime().make_future<std::unique_ptr<int>>();
        promise.set_value(std::make_unique<int>(3));
        co_return co_await future;
    });
    EXPECT_EQ(*owned, 3);
}

TEST_F(future_test, of_void_only_tells_the_time) {
    const auto began = runtime().now();
    run([&]() -> task<> {
        auto [promise, future] = runtime().make_future();
        (void)runtime().spawn([](auto& time, auto setting) -> task<> {
            co_await time.sleep_for(1s);
            setting.set_value();
        }(runtime(), std::move(promise)));
        co_await future;
    });
    EXPECT_EQ(runtime().now() - began, 1s);
}

TEST_F(future_test, resumes_the_waiter_through_the_loop_not_inside_set_value) {
    std::vector<std::string> order;
    run([&]() -> task<> {
        auto [promise, future] = runtime().make_future();
        auto waiter = runtime().spawn([](auto awaited, auto& notes) -> task<> {
            co_await awaited;
            notes.push_back("waiter resumed");
        }(std::move(future), order));
        co_await runtime().yield();
        promise.set_value();
        order.emplace_back("set_value returned");
        co_await waiter;
    });
    EXPECT_THAT(order, testing::ElementsAre("set_value returned", "waiter resumed"));
}

TEST_F(future_test, throws_the_exception_it_was_given) {
    const auto wait = [&]() -> task<int> {
        auto [promise, future] = runtime().make_future<int>();
        promise.set_exception(std::make_exception_ptr(std::out_of_range("no such thing")));
        co_return co_await future;
    };
    EXPECT_THROW(run(wait), std::out_of_range);
}

TEST_F(future_test, is_set_once) {
    run([&]() -> task<> {
        auto [promise, future] = runtime().make_future<int>();
        promise.set_value(1);
        EXPECT_THROW(promise.set_value(2), std::future_error);
        EXPECT_THROW(promise.set_exception(std::make_exception_ptr(3)), std::future_error);
        const int value = co_await future;
        EXPECT_EQ(value, 1);
    });
}

TEST_F(future_test, gives_its_value_once) {
    const auto error = run([&]() {
        return error_of([this]() -> task<> {
            auto [promise, future] = runtime().make_future<std::string>();
            promise.set_value("once");
            const std::string value = co_await future;
            EXPECT_EQ(value, "once");
            co_await future;
        });
    });
    EXPECT_EQ(error, std::future_errc::no_state);
}

TEST_F(future_test, is_awaited_by_one_task) {
    const auto error = run([&]() {
        return error_of([this]() -> task<> {
            auto [promise, future] = runtime().make_future();
            auto first = runtime().spawn([](auto& shared) -> task<> { co_await shared; }(future));
            co_await runtime().yield();
            std::exception_ptr refused;
            try {
                co_await future;
            } catch (...) {
                refused = std::current_exception();
            }
            promise.set_value();
            co_await first;
            std::rethrow_exception(refused);
        });
    });
    EXPECT_EQ(error, std::future_errc::future_already_retrieved);
}

TEST_F(future_test, whose_promise_was_moved_from_is_not_set_by_it) {
    auto [promise, future] = runtime().make_future<int>();
    const auto owner = std::move(promise);
    for (const auto& set : std::initializer_list<std::function<void()>>{
             [&] { promise.set_value(1); }, [&] { promise.set_exception(nullptr); }}) {
        try {
            set();
            ADD_FAILURE() << "nothing was thrown";
        } catch (const std::future_error& error) {
            EXPECT_EQ(error.code(), std::future_errc::no_state);
        }
    }
}

TEST_F(future_test, whose_promise_goes_away_unset_is_an_error_that_the_waiter_sees) {
    const auto began = runtime().now();
    const auto error = run([&]() {
        return error_of([this]() -> task<> {
            auto [promise, future] = runtime().make_future<int>();
            (void)runtime().spawn([](auto& time, auto) -> task<> {
                co_await time.sleep_for(1s);
            }(runtime(), std::move(promise)));
            co_await future;
        });
    });
    EXPECT_EQ(error, std::future_errc::broken_promise);
    EXPECT_EQ(runtime().now() - began, 1s);
}

TEST_F(future_test, value_may_itself_be_an_exception_pointer) {
    const auto inner = std::make_exception_ptr(1);
    const bool same = run([&]() -> task<bool> {
        auto [promise, future] = runtime().make_future<std::exception_ptr>();
        promise.set_value(inner);
        const std::exception_ptr value = co_await future;
        co_return value == inner;
    });
    EXPECT_TRUE(same);
}

TEST_F(future_test, left_over_at_both_ends_is_freed_whichever_goes_first) {
    const auto wait_for = [](auto future) -> task<> { co_await future; };
    const auto hold = [](auto& time, auto) -> task<> { co_await time.sleep_for(1h); };
    const auto yield_for_ever = [](auto& time) -> task<> {
        for (;;) co_await time.yield();
    };
    run([&]() -> task<> {
        auto one = runtime().make_future();
        auto other = runtime().make_future();
        (void)runtime().spawn(wait_for(std::move(one.future)));
        (void)runtime().spawn(hold(runtime(), std::move(one.promise)));
        (void)runtime().spawn(hold(runtime(), std::move(other.promise)));
        (void)runtime().spawn(wait_for(std::move(other.future)));
        (void)runtime().spawn(yield_for_ever(runtime()));  // Freed first, and last in the queue.
        co_await runtime().yield();
        co_await runtime().yield();
    });
    end_runtime();
    EXPECT_THAT(reports(), testing::ElementsAre(testing::HasSubstr("5 spawned tasks")));
}

TEST_F(future_test, either_end_may_outlive_the_runtime) {
    auto unset = std::optional(runtime().make_future<int>());
    auto set = std::optional(runtime().make_future<int>());
    set->promise.set_value(1);
    end_runtime();
    unset.reset();
    set.reset();
    EXPECT_TRUE(reports().empty());
}

}  // namespace
