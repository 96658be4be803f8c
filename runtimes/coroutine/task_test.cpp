#include "testing/on_loop.hpp"

#include <algorithm>
#include <array>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace overlap;
using namespace std::chrono_literals;

class task_test : public on_virtual_time {};

task<int> forty_two(bool& ran) {
    ran = true;
    co_return 42;
}

TEST_F(task_test, does_nothing_until_it_is_awaited) {
    bool ran = false;
    task<int> lazy = forty_two(ran);
    EXPECT_FALSE(ran);
    const int result = run([&]() -> task<int> { co_return co_await std::move(lazy); });
    EXPECT_TRUE(ran);
    EXPECT_EQ(result, 42);
}

task<> keep(std::shared_ptr<int>) { co_return; }

TEST_F(task_test, destroyed_unrun_frees_its_arguments_and_runs_nothing) {
    auto argument = std::make_shared<int>();
    bool ran = false;
    {
        const task<> never_awaited = keep(argument);
        const task<int> nor_this = forty_two(ran);
        EXPECT_EQ(argument.use_count(), 2);
    }
    EXPECT_EQ(argument.use_count(), 1);
    EXPECT_FALSE(ran);
}

TEST_F(task_test, frees_its_frame_before_the_next_statement) {
    auto argument = std::make_shared<int>();
    const auto holders = run([&]() -> task<long> {
        co_await keep(argument);
        co_return argument.use_count();
    });
    EXPECT_EQ(holders, 1);
}

TEST_F(task_test, moves_and_swaps) {
    bool ran = false;
    task<int> first = forty_two(ran);
    task<int> second = std::move(first);
    bool other_ran = false;
    first = forty_two(other_ran);
    second = std::move(first);
    EXPECT_EQ(runtime().run(std::move(second)), 42);
    EXPECT_FALSE(ran);
    EXPECT_TRUE(other_ran);
}

TEST_F(task_test, that_was_moved_from_is_an_error_and_not_a_crash) {
    bool ran = false;
    const auto await_twice = [&]() -> task<> {
        task<int> once = forty_two(ran);
        co_await std::move(once);
        co_await std::move(once);
    };
    EXPECT_THROW(run(await_twice), std::logic_error);

    task<int> given_away = forty_two(ran);
    const task<int> taken = std::move(given_away);
    EXPECT_THROW(runtime().run(std::move(given_away)), std::logic_error);
}

struct no_default {
    explicit no_default(int value) : number(value) {}
    int number;
};
struct not_assignable {
    const int number;
};

TEST_F(task_test, results_need_only_be_movable) {
    const auto move_only = []() -> task<std::unique_ptr<int>> {
        co_return std::make_unique<int>(1);
    };
    const auto undefaulted = []() -> task<no_default> { co_return no_default(2); };
    const auto constant = []() -> task<not_assignable> { co_return not_assignable{3}; };
    const auto converted = []() -> task<std::string> { co_return "four"; };
    const auto braced = []() -> task<std::pair<int, int>> { co_return {5, 6}; };
    const auto boolean = []() -> task<bool> { co_return true; };
    EXPECT_EQ(*run(move_only), 1);
    EXPECT_EQ(run(undefaulted).number, 2);
    EXPECT_EQ(run(constant).number, 3);
    EXPECT_EQ(run(converted), "four");
    EXPECT_EQ(run(braced), std::pair(5, 6));
    EXPECT_TRUE(run(boolean));
}

task<> fail(const char* why) {
    throw std::runtime_error(why);
    co_return;
}

TEST_F(task_test, throws_where_it_is_awaited) {
    const std::string caught = run([&]() -> task<std::string> {
        try {
            co_await fail("out of luck");
        } catch (const std::runtime_error& error) {
            co_return error.what();
        }
        co_return "nothing thrown";
    });
    EXPECT_EQ(caught, "out of luck");
}

TEST_F(task_test, keeps_an_exception_across_a_wait) {
    const std::string kept = run([&]() -> task<std::string> {
        std::exception_ptr first;
        try {
            co_await fail("first");
        } catch (...) {
            first = std::current_exception();
        }
        co_await runtime().sleep_for(1s);
        co_return describe(first);
    });
    EXPECT_EQ(kept, "first");
}

task<int> count_up_to(int n) {
    if (n == 0) co_return 0;
    const int below = co_await count_up_to(n - 1);
    co_return below + 1;
}

TEST_F(task_test, a_chain_of_a_million_does_not_overflow_the_stack) {
    constexpr int length = 1'000'000;
    EXPECT_EQ(runtime().run(count_up_to(length)), length);
}

task<int> wait_below(coroutine<virtual_time_loop>& runtime, int depth) {
    if (depth == 0) {
        co_await runtime.sleep_for(1s);
        co_return 0;
    }
    const int below = co_await wait_below(runtime, depth - 1);
    co_return below + 1;
}

TEST_F(task_test, nor_does_one_that_is_resumed_from_its_far_end) {
    constexpr int length = 1'000'000;
    EXPECT_EQ(runtime().run(wait_below(runtime(), length)), length);
}

TEST_F(task_test, a_million_awaits_that_end_at_once_do_not_overflow_the_stack) {
    constexpr int often = 1'000'000;
    const int sum = run([&]() -> task<int> {
        int total = 0;
        for (int i = 0; i < often; ++i) total += co_await count_up_to(1);
        co_return total;
    });
    EXPECT_EQ(sum, often);
}

task<> throw_below(int depth) {
    if (depth == 0) throw std::runtime_error("from below");
    co_await throw_below(depth - 1);
}

TEST_F(task_test, exceptions_pass_through_a_long_chain) {
    constexpr int length = 10'000;
    EXPECT_THROW(runtime().run(throw_below(length)), std::runtime_error);
}

task<std::size_t> wait_in_a_large_frame(coroutine<virtual_time_loop>& runtime) {
    std::array<std::byte, 500 * 1024> kept{};
    kept.back() = std::byte{1};
    co_await runtime.sleep_for(1s);
    co_return static_cast<std::size_t>(std::ranges::count(kept, std::byte{1}));
}

TEST_F(task_test, waits_in_a_frame_of_half_a_mebibyte) {
    EXPECT_EQ(runtime().run(wait_in_a_large_frame(runtime())), 1U);
}

/// Compilers lay frames out as they like, so where an operation lies in one is made up here.
TEST(in_frame_operation_test, lies_in_the_first_512_kibibytes_of_its_frame) {
    using in_frame = detail::in_frame_operation<timer_operation>;
    constexpr std::size_t reach = 512 * 1024;
    std::vector<std::byte> memory(2 * reach);
    const auto frame = std::coroutine_handle<>::from_address(&memory[reach / 2]);
    const auto wait_at = [&](std::size_t place) {
        (::new (&memory[place]) in_frame)->set_waiter(frame);
    };
    EXPECT_NO_THROW(wait_at(reach / 2));
    EXPECT_NO_THROW(wait_at(reach / 2 + reach - alignof(in_frame)));
    EXPECT_THROW(wait_at(reach / 2 + reach), std::length_error);
    EXPECT_THROW(wait_at(reach / 2 - alignof(in_frame)), std::length_error);
}

struct lies_elsewhere {
    static bool await_ready() noexcept { return false; }
    static void await_suspend(std::coroutine_handle<>) { throw std::length_error("too far"); }
    static void await_resume() noexcept {}
};

TEST_F(task_test, an_await_that_cannot_suspend_throws_where_it_stands) {
    const bool caught = run([&]() -> task<bool> {
        bool thrown = false;
        try {
            co_await lies_elsewhere{};
        } catch (const std::length_error&) {
            thrown = true;
        }
        co_await runtime().sleep_for(1s);
        co_return thrown;
    });
    EXPECT_TRUE(caught);
}

}  // namespace
