#include "testing/on_loop.hpp"

#include <overlap/coroutine/async_generator.hpp>

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace overlap;
using namespace std::chrono_literals;

/// A user's awaiter: says at once what it was made with.
struct immediately {
    int value;

    static bool await_ready() noexcept { return true; }
    static void await_suspend(std::coroutine_handle<>) noexcept {}
    [[nodiscard]] int await_resume() const noexcept { return value; }
};

/// A user's awaitable with a member operator co_await; the awaiter neither copies nor moves.
struct by_member {
    struct awaiter : immediately {
        explicit awaiter(int result) : immediately{result} {}
        awaiter(const awaiter&) = delete;
        awaiter& operator=(const awaiter&) = delete;
    };

    awaiter operator co_await() const { return awaiter(value); }

    int value;
};

/// One with a free operator co_await.
struct by_free_function {
    int value;
};
immediately operator co_await(const by_free_function& it) { return {it.value}; }

/// One whose operator co_await returns an awaiter that lives elsewhere.
struct by_reference {
    by_member::awaiter& operator co_await() const { return *kept; }

    by_member::awaiter* kept;
};

static_assert(awaitable<immediately> && awaitable<immediately&>);
static_assert(awaitable<by_member> && awaitable<by_member&>);
static_assert(awaitable<by_free_function> && awaitable<by_free_function&>);
static_assert(awaitable<by_reference>);
static_assert(awaitable<task<int>> && !awaitable<task<int>&>, "a task must be moved");
static_assert(awaitable<spawned<int>> && awaitable<spawned<int>&>);
static_assert(awaitable<future<int>> && awaitable<future<int>&>);
static_assert(!awaitable<int> && !awaitable<std::string> && !awaitable<async_generator<int>>);

class awaitable_test : public on_virtual_time {};

TEST_F(awaitable_test, a_users_own_types_can_be_awaited) {
    run([&]() -> task<> {
        const int awaiter = co_await immediately{1};
        const int member = co_await by_member{2};
        const int free_function = co_await by_free_function{3};
        by_member::awaiter kept(4);
        const int reference = co_await by_reference{&kept};
        immediately named{5};
        const int lvalue = co_await named;
        EXPECT_EQ(awaiter, 1);
        EXPECT_EQ(member, 2);
        EXPECT_EQ(free_function, 3);
        EXPECT_EQ(reference, 4);
        EXPECT_EQ(lvalue, 5);
    });
}

TEST_F(awaitable_test, also_inside_an_async_generator) {
    const auto doubled = []() -> async_generator<int> {
        const int value = co_await by_member{21};
        co_yield 2 * value;
    };
    run([&]() -> task<> {
        auto values = doubled();
        const auto value = co_await values.next();
        EXPECT_EQ(value, 42);
    });
}

/// Suspends, or not, as await_suspend says by returning bool or a handle.
struct declines_to_suspend {
    static bool await_ready() noexcept { return false; }
    static bool await_suspend(std::coroutine_handle<>) noexcept { return false; }
    static int await_resume() noexcept { return 6; }
};
struct resumes_itself {
    static bool await_ready() noexcept { return false; }
    static std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiter) noexcept {
        return waiter;
    }
    static int await_resume() noexcept { return 7; }
};

TEST_F(awaitable_test, await_suspend_may_decline_or_transfer) {
    run([&]() -> task<> {
        const int declined = co_await declines_to_suspend{};
        const int transferred = co_await resumes_itself{};
        EXPECT_EQ(declined, 6);
        EXPECT_EQ(transferred, 7);
    });
}

/// Runs a function on a thread of its own while the task waits and the loop goes on: what a user
/// writes to bring blocking code to a loop, with nothing but the contract of post_remote.
template <event_loop Loop, class Work>
class on_thread : operation {
public:
    on_thread(Loop& loop, Work work) : operation(&resume), loop_(loop), work_(std::move(work)) {}

    static bool await_ready() noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter) {
        waiter_ = waiter;
        thread_ = std::thread([this] {
            result_ = work_();
            loop_.post_remote(this);
        });
    }
    auto await_resume() {
        thread_.join();
        return *std::move(result_);
    }

private:
    static void resume(operation* self) noexcept {
        static_cast<on_thread*>(self)->waiter_.resume();
    }

    Loop& loop_;
    Work work_;
    std::optional<std::invoke_result_t<Work>> result_;
    std::coroutine_handle<> waiter_;
    std::thread thread_;
};

/// Compilers lay frames out as they like, so where an awaiter lies is made up here.
TEST(near_pointer_test, reaches_256_kibibytes_either_way_and_no_further) {
    using near = detail::near_pointer<std::uint64_t>;
    constexpr std::ptrdiff_t reach = 256 * 1024 / sizeof(std::uint64_t);
    std::vector<std::uint64_t> frame(4 * reach);
    std::uint64_t* const here = &frame[2 * reach];
    const auto reaches = [&](std::size_t offset, std::ptrdiff_t there) {
        auto* const place = reinterpret_cast<std::byte*>(here) + offset;
        return (::new (place) near(here + there))->operator->() == here + there;
    };
    for (const std::size_t offset : {0U, 2U, 6U}) {
        EXPECT_TRUE(reaches(offset, 1));
        EXPECT_TRUE(reaches(offset, -1));
        EXPECT_TRUE(reaches(offset, reach - 1));
        EXPECT_TRUE(reaches(offset, -reach));
        EXPECT_THROW(reaches(offset, reach), std::length_error);
        EXPECT_THROW(reaches(offset, -reach - 1), std::length_error);
    }
}

template <event_loop Loop>
class foreign_thread_test : public on_loop<Loop> {};
TYPED_TEST_SUITE(foreign_thread_test, all_loops, loop_names);

TYPED_TEST(foreign_thread_test, a_task_awaits_work_on_another_thread) {
    this->run([this]() -> task<> {
        const auto here = std::this_thread::get_id();
        const auto there =
            co_await on_thread(this->runtime().loop(), [] { return std::this_thread::get_id(); });
        EXPECT_NE(there, here);
        EXPECT_EQ(std::this_thread::get_id(), here);
    });
}

}  // namespace
