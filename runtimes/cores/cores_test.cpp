// Tasks on several shards. Where tasks wait for each other without giving way, a runtime that does not
// run them on different threads would never end.
#include <overlap/cores/cores_coroutine.hpp>
#include <overlap/loops/epoll.hpp>
#include <overlap/loops/poll.hpp>
#include <overlap/loops/uring.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <numeric>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using namespace overlap;
using namespace std::chrono_literals;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

template <class Runtime>
class cores_test : public testing::Test {
public:
    Runtime runtime{2};

    /// Runs `body(0) .. body(n - 1)` and returns their results.
    template <class Body>
    auto gather(std::size_t n, Body body) {
        return runtime.run(gathering(*this, n, std::move(body)));
    }

private:
    template <class Body>
    static auto gathering(cores_test& self, std::size_t n, Body body)
        -> task<decltype(std::declval<decltype(self.runtime.gather(n, body))&>().await_resume())> {
        co_return co_await self.runtime.gather(n, std::ref(body));
    }
};

using runtimes = testing::Types<sharded_coroutine<epoll_loop>, sharded_coroutine<uring_loop>,
                                stealing_coroutine<poll_loop>, stealing_coroutine<epoll_loop>,
                                stealing_coroutine<uring_loop>>;

struct names {
    template <class Runtime>
    static std::string GetName(int) {
        std::string name = Runtime::name();
        std::replace(name.begin(), name.end(), ':', '_');
        return name;
    }
};
TYPED_TEST_SUITE(cores_test, runtimes, names);

TYPED_TEST(cores_test, results_keep_their_order) {
    for (const std::size_t n : {0U, 1U, 2U, 3U, 7U, 1000U}) {
        const auto values = this->gather(n, [this](std::size_t i) -> task<std::size_t> {
            if (i % 3 == 0) co_await this->runtime.yield();
            if (i % 97 == 5) co_await this->runtime.sleep_for(1ms);
            co_return i;
        });
        std::vector<std::size_t> expected(n);
        std::iota(expected.begin(), expected.end(), 0);
        EXPECT_EQ(values, expected);
    }
}

TYPED_TEST(cores_test, two_tasks_overlap) {
    std::atomic<int> arrived = 0;
    const auto threads = this->gather(2, [&](std::size_t) -> task<pid_t> {
        co_await this->runtime.yield();
        ++arrived;
        while (arrived < 2) std::this_thread::yield();
        co_return ::gettid();
    });
    EXPECT_NE(threads[0], threads[1]);
}

TYPED_TEST(cores_test, a_task_stays_on_its_thread) {
    const auto moved = this->gather(100, [this](std::size_t i) -> task<bool> {
        const pid_t before = ::gettid();
        for (std::size_t round = 0; round < 5; ++round) {
            co_await this->runtime.yield();
            if (i % 10 == 0) co_await this->runtime.sleep_for(100us);
            if (::gettid() != before) co_return true;
        }
        co_return false;
    });
    EXPECT_THAT(moved, Each(false));
}

TYPED_TEST(cores_test, computing_holds_up_no_timer_of_another_shard) {
    std::atomic<bool> woke = false;
    this->gather(2, [&](std::size_t i) -> task<> {
        co_await this->runtime.yield();
        if (i == 0) {
            while (!woke) std::this_thread::yield();
        } else {
            co_await this->runtime.sleep_for(1ms);
            woke = true;
        }
    });
}

TYPED_TEST(cores_test, the_exception_of_the_lowest_index_is_thrown_after_all_have_ended) {
    std::atomic<int> ended = 0;
    try {
        this->gather(100, [&](std::size_t i) -> task<> {
            co_await this->runtime.yield();
            ++ended;
            if (i % 10 == 3) throw std::runtime_error(std::to_string(i));
        });
        FAIL() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
        EXPECT_STREQ(error.what(), "3");
    }
    EXPECT_EQ(ended, 100);
}

TYPED_TEST(cores_test, gathers_nest_from_all_shards_at_once) {
    const auto inner = [this](std::size_t i) -> task<std::size_t> {
        co_await this->runtime.yield();
        co_return i;
    };
    const auto sums = this->gather(50, [&](std::size_t) -> task<std::size_t> {
        std::size_t sum = 0;
        for (int round = 0; round < 3; ++round) {
            for (const std::size_t each : co_await this->runtime.gather(40, std::ref(inner))) {
                sum += each;
            }
        }
        co_return sum;
    });
    EXPECT_THAT(sums, SizeIs(50));
    EXPECT_THAT(sums, Each(3 * 780U));
}

TYPED_TEST(cores_test, spawned_tasks_and_futures_stay_with_who_made_them) {
    const auto sums = this->gather(20, [this](std::size_t i) -> task<std::size_t> {
        auto [value, awaited] = this->runtime.template make_future<std::size_t>();
        auto setter = [](auto& on, auto promise, std::size_t what) -> task<> {
            co_await on.yield();
            promise.set_value(what);
        };
        auto running = this->runtime.spawn(setter(this->runtime, std::move(value), i));
        const std::size_t got = co_await std::move(awaited);
        co_await std::move(running);
        co_return got;
    });
    EXPECT_EQ(std::accumulate(sums.begin(), sums.end(), std::size_t{0}), 190U);
}

TYPED_TEST(cores_test, results_need_no_default_and_may_be_truths) {
    struct odd {
        explicit odd(std::size_t it) : value(it) {}
        std::size_t value;
    };
    const auto odds = this->gather(30, [](std::size_t i) -> task<odd> { co_return odd(i); });
    EXPECT_EQ(odds[29].value, 29U);
    const auto truths = this->gather(30, [](std::size_t i) -> task<bool> { co_return i == 7; });
    EXPECT_EQ(std::count(truths.begin(), truths.end(), true), 1);
    EXPECT_TRUE(truths[7]);
}

TYPED_TEST(cores_test, sleeps_while_there_is_nothing_to_do) {
    const auto switches = [] {
        rusage used{};
        ::getrusage(RUSAGE_SELF, &used);
        return used.ru_nvcsw;
    };
    this->gather(100, [](std::size_t i) -> task<std::size_t> { co_return i; });
    const auto nap = [](auto& on) -> task<> { co_await on.sleep_for(20ms); };
    this->runtime.run(nap(this->runtime));  // In which whoever still searches gives up.
    const long before = switches();
    for (int i = 0; i < 5; ++i) this->runtime.run(nap(this->runtime));
    EXPECT_LT(switches() - before, 40) << "somebody keeps waking up";
}

template <class Loop>
class stealing_test : public cores_test<stealing_coroutine<Loop>> {};
using all_loops = testing::Types<poll_loop, epoll_loop, uring_loop>;
TYPED_TEST_SUITE(stealing_test, all_loops);

TYPED_TEST(stealing_test, everything_that_has_not_started_can_be_taken_from_a_shard_that_computes) {
    constexpr std::size_t n = 100;
    std::atomic<std::size_t> ended = 0;
    this->gather(n, [&](std::size_t i) -> task<> {
        co_await this->runtime.yield();
        if (i == 0) {
            while (ended < n - 1) std::this_thread::yield();  // And never gives way.
        }
        ++ended;
    });
    EXPECT_EQ(ended, n);
}

TYPED_TEST(stealing_test, children_of_nested_gathers_are_taken_too) {
    constexpr std::size_t n = 100;
    std::atomic<std::size_t> ended = 0;
    const auto leaf = [&](std::size_t i) -> task<> {
        co_await this->runtime.yield();
        if (i == 0) {
            while (ended < n - 1) std::this_thread::yield();
        }
        ++ended;
    };
    this->gather(1,
                 [&](std::size_t) -> task<> { co_await this->runtime.gather(n, std::ref(leaf)); });
    EXPECT_EQ(ended, n);
}

// Between the last look of a shard for work and its falling asleep somebody may publish more. Were it
// lost, these gathers, of which each task waits for the other, would hang.
TYPED_TEST(stealing_test, what_is_published_while_a_shard_falls_asleep_is_not_lost) {
    // A core that others use as well is given back for milliseconds in each round.
    const auto pairs = [](auto& on) -> task<int> {
        const time_point enough = on.now() + std::chrono::seconds(1);
        int rounds = 0;
        while (rounds < 5'000 && on.now() < enough) {
            std::atomic<int> arrived = 0;
            const auto meet = [&](std::size_t) -> task<> {
                co_await on.yield();
                ++arrived;
                while (arrived < 2) std::this_thread::yield();
            };
            co_await on.gather(2, std::ref(meet));
            ++rounds;
        }
        co_return rounds;
    };
    EXPECT_GT(this->runtime.run(pairs(this->runtime)), 0);
}

TEST(cores, one_core_is_one_shard) {
    stealing_coroutine<epoll_loop> runtime(1);
    EXPECT_EQ(runtime.shard_count(), 1U);
    const auto root = [](auto& of) -> task<std::vector<pid_t>> {
        const auto body = [&](std::size_t) -> task<pid_t> {
            co_await of.yield();
            co_return ::gettid();
        };
        co_return co_await of.gather(10, std::ref(body));
    };
    EXPECT_THAT(runtime.run(root(runtime)), Each(::gettid()));
    EXPECT_THROW(stealing_coroutine<epoll_loop>(0), std::invalid_argument);
}

TEST(cores, more_shards_than_cores_work) {
    stealing_coroutine<epoll_loop> runtime(9);
    const auto root = [](auto& of) -> task<std::size_t> {
        const auto body = [&](std::size_t i) -> task<std::size_t> {
            co_await of.yield();
            co_return i;
        };
        std::size_t sum = 0;
        for (int round = 0; round < 50; ++round) {
            for (const auto each : co_await of.gather(100, std::ref(body))) sum += each;
        }
        co_return sum;
    };
    EXPECT_EQ(runtime.run(root(runtime)), 50 * 4950U);
}

/// Fails on the threads of workers, some time after its first run.
class failing_loop : public epoll_loop {
public:
    static inline std::atomic<bool> fails = false;

    void run() {
        epoll_loop::run();
        if (fails.exchange(false)) throw std::runtime_error("the kernel says no");
    }
};

TEST(cores, a_shard_whose_loop_throws_ends_all_and_is_named) {
    if (sanitized) GTEST_SKIP() << "tasks that cannot end are not freed";
    sharded_coroutine<failing_loop> runtime(2);
    const auto root = [](auto& of) -> task<> {
        const auto body = [&](std::size_t i) -> task<> {
            co_await of.yield();
            if (i == 1) {
                failing_loop::fails = true;
                of.loop_here().stop();
            }
            co_await of.sleep_for(std::chrono::hours(1));
        };
        co_await of.gather(2, std::ref(body));
    };
    try {
        runtime.run(root(runtime));
        FAIL() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
        EXPECT_STREQ(error.what(), "the loop of shard 2 of 2 failed: the kernel says no");
    }
}

}  // namespace
