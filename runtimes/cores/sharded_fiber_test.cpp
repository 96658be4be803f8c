// Fibers on several shards. Where tasks wait for each other without giving way, a runtime that does not
// run them on different threads would never end.
#include <overlap/core/error.hpp>
#include <overlap/core/socket.hpp>
#include <overlap/cores/sharded_fiber.hpp>
#include <overlap/loops/epoll.hpp>
#include <overlap/loops/poll.hpp>
#include <overlap/loops/uring.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using namespace overlap;
using namespace std::chrono_literals;
using testing::Each;
using testing::ElementsAre;
using testing::SizeIs;

template <class Loop>
class sharded_fiber_test : public testing::Test {
public:
    sharded_fiber<Loop> runtime{2};

    /// Runs `body(0) .. body(n - 1)` and returns their results.
    template <class Body>
    auto gather(std::size_t n, const Body& body) {
        return runtime.run([&] { return runtime.gather(n, body); });
    }

    /// To be called by two tasks: returns when both have come, without giving way.
    void meet() {
        ++arrived_;
        while (arrived_ % 2 != 0) std::this_thread::yield();
    }

private:
    std::atomic<int> arrived_ = 0;
};

using loops = testing::Types<poll_loop, epoll_loop, uring_loop>;
TYPED_TEST_SUITE(sharded_fiber_test, loops);

TYPED_TEST(sharded_fiber_test, results_keep_their_order) {
    for (const std::size_t n : {0U, 1U, 2U, 3U, 7U, 1000U}) {
        const auto values = this->gather(n, [&](std::size_t i) {
            if (i % 3 == 0) this->runtime.yield();
            if (i % 97 == 5) this->runtime.sleep_for(1ms);
            return i;
        });
        std::vector<std::size_t> expected(n);
        std::iota(expected.begin(), expected.end(), 0);
        EXPECT_EQ(values, expected);
    }
}

TYPED_TEST(sharded_fiber_test, two_tasks_overlap) {
    const auto threads = this->gather(2, [&](std::size_t) {
        this->meet();
        return ::gettid();
    });
    EXPECT_NE(threads[0], threads[1]);
}

TYPED_TEST(sharded_fiber_test, a_task_stays_on_its_thread_and_each_shard_has_an_equal_block) {
    const auto threads = this->gather(100, [&](std::size_t i) {
        const pid_t before = ::gettid();
        for (std::size_t round = 0; round < 5; ++round) {
            this->runtime.yield();
            if (i % 10 == 0) this->runtime.sleep_for(100us);
            if (::gettid() != before) return 0;
        }
        return before;
    });
    EXPECT_EQ(threads[0], ::gettid());
    EXPECT_NE(threads[50], threads[0]);
    for (std::size_t i = 0; i < 100; ++i) EXPECT_EQ(threads[i], threads[i / 50 * 50]) << i;
}

TYPED_TEST(sharded_fiber_test, computing_holds_up_no_timer_of_another_shard) {
    std::atomic<bool> woke = false;
    this->gather(2, [&](std::size_t i) {
        if (i == 0) {
            while (!woke) std::this_thread::yield();
        } else {
            this->runtime.sleep_for(1ms);
            woke = true;
        }
    });
}

TYPED_TEST(sharded_fiber_test, the_exception_of_the_lowest_index_is_thrown_after_all_have_ended) {
    for (const std::size_t first : {3U, 73U}) {  // Of the shard that gathers, and of another.
        std::atomic<int> ended = 0;
        try {
            this->gather(100, [&](std::size_t i) {
                this->runtime.yield();
                ++ended;
                if (i >= first && i % 10 == 3) throw std::runtime_error(std::to_string(i));
            });
            FAIL() << "nothing was thrown";
        } catch (const std::runtime_error& error) {
            EXPECT_EQ(error.what(), std::to_string(first));
        }
        EXPECT_EQ(ended, 100);
    }
}

TYPED_TEST(sharded_fiber_test, gathers_nest_from_all_shards_at_once_and_stay_where_they_are) {
    const auto sums = this->gather(50, [&](std::size_t) {
        const pid_t mine = ::gettid();
        std::size_t sum = 0;
        for (int round = 0; round < 3; ++round) {
            const auto inner = this->runtime.gather(40, [&](std::size_t i) {
                this->runtime.yield();
                return ::gettid() == mine ? i : 1'000'000;
            });
            sum = std::accumulate(inner.begin(), inner.end(), sum);
        }
        return sum;
    });
    EXPECT_THAT(sums, SizeIs(50));
    EXPECT_THAT(sums, Each(3 * 780U));
}

TYPED_TEST(sharded_fiber_test, one_gather_after_another_is_dealt_out) {
    const auto threads = this->runtime.run([&] {
        std::vector<bool> different;
        for (int round = 0; round < 200; ++round) {
            const auto pair = this->runtime.gather(2, [&](std::size_t) {
                this->meet();
                return ::gettid();
            });
            different.push_back(pair[0] != pair[1]);
        }
        return different;
    });
    EXPECT_THAT(threads, Each(true));
}

TYPED_TEST(sharded_fiber_test, spawned_tasks_stay_with_who_made_them) {
    const auto values = this->gather(20, [&](std::size_t i) {
        const pid_t mine = ::gettid();
        auto running = this->runtime.spawn([&, mine] {
            this->runtime.yield();
            return ::gettid() == mine ? i : 1'000'000;
        });
        return running.join();
    });
    EXPECT_EQ(std::accumulate(values.begin(), values.end(), std::size_t{0}), 190U);
}

TYPED_TEST(sharded_fiber_test, what_another_shard_spawned_gathers_over_all_shards) {
    std::atomic<bool> alone = false;
    std::atomic<bool> gathered = false;
    std::vector<fibers::spawned<std::vector<pid_t>>> background;
    this->gather(2, [&](std::size_t i) {
        if (i == 0) return;
        background.push_back(this->runtime.spawn([&] {
            while (!alone) this->runtime.sleep_for(100us);  // No gather is under way then.
            auto threads = this->runtime.gather(2, [&](std::size_t) {
                this->meet();
                return ::gettid();
            });
            gathered = true;
            return threads;
        }));
    });
    this->runtime.run([&] {
        alone = true;
        while (!gathered) this->runtime.sleep_for(100us);
    });
    this->gather(2, [&](std::size_t i) {
        if (i == 0) return;
        const std::vector<pid_t> threads = background.front().join();
        EXPECT_NE(threads[0], threads[1]);
        EXPECT_EQ(threads[0], ::gettid());
        background.clear();
    });
}

TYPED_TEST(sharded_fiber_test,
           cancelling_a_gather_ends_its_children_here_and_waits_for_the_others) {
    std::atomic<int> begun = 0;
    std::atomic<int> went_on = 0;
    std::atomic<bool> may_end = false;
    const bool cancelled = this->runtime.run([&] {
        auto gathering = this->runtime.spawn([&] {
            this->runtime.gather(2, [&](std::size_t i) {
                ++begun;
                if (i == 0) this->runtime.sleep_for(std::chrono::hours(1));
                while (!may_end) this->runtime.sleep_for(100us);
                ++went_on;
            });
        });
        while (begun < 2) this->runtime.sleep_for(100us);
        gathering.cancel();
        for (int round = 0; round < 10; ++round) this->runtime.yield();
        EXPECT_FALSE(gathering.is_done());
        may_end = true;
        try {
            gathering.join();
        } catch (const std::system_error& error) {
            return error.code() == std::errc::operation_canceled;
        }
        return false;
    });
    EXPECT_TRUE(cancelled);
    EXPECT_EQ(went_on, 1);
}

/// Sends some bytes over each of `count` connections, all open at once, and waits for them
/// to come back. Returns how many did.
std::size_t bytes_sent_back(std::uint16_t port, std::size_t count) {
    std::vector<unique_descriptor> connections;
    for (std::size_t i = 0; i < count; ++i) {
        connections.emplace_back(
            check_errno(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
        const endpoint peer(port);
        check_errno(::connect(connections.back().get(), peer.data(), endpoint::size()), "connect");
    }
    std::size_t total = 0;
    std::array<char, 16> bytes{};
    for (const unique_descriptor& each : connections) {
        check_errno(::send(each.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), "send");
        total += static_cast<std::size_t>(check_errno(
            static_cast<int>(::recv(each.get(), bytes.data(), bytes.size(), MSG_WAITALL)), "recv"));
    }
    return total;
}

TYPED_TEST(sharded_fiber_test, all_shards_accept_from_one_listener_as_often_as_they_have_tasks) {
    constexpr std::size_t n = 32;
    const unique_descriptor listener = open_listener(endpoint{});
    std::size_t sent_back = 0;
    std::thread clients([&] { sent_back = bytes_sent_back(port_of(listener), n); });
    const auto totals = this->gather(n, [&](std::size_t) {
        const int connection = this->runtime.accept(listener.get());
        std::array<std::byte, 64> buffer{};
        std::size_t total = 0;
        while (const std::size_t got = this->runtime.read(connection, buffer)) {
            this->runtime.write(connection, std::span(buffer).first(got));
            total += got;
        }
        this->runtime.close(connection);
        return total;
    });
    clients.join();
    EXPECT_THAT(totals, Each(16U));
    EXPECT_EQ(sent_back, n * 16);
}

/// Counts what other threads, or a thread for another, post to it.
class counting_loop : public epoll_loop {
public:
    static inline std::atomic<std::size_t> posts = 0;

    void post_remote(operation* what) noexcept {
        ++posts;
        epoll_loop::post_remote(what);
    }
};

TEST(sharded_fiber, a_gather_is_one_post_out_and_at_most_one_back_for_each_shard) {
    sharded_fiber<counting_loop> runtime(3);
    const std::size_t before = counting_loop::posts;
    runtime.run([&] {
        return runtime.gather(300, [&](std::size_t) {
            runtime.yield();
            return runtime.gather(10, [&](std::size_t i) { return i; }).size();
        });
    });
    EXPECT_LE(counting_loop::posts - before, 4U);
    EXPECT_GE(counting_loop::posts - before, 2U);
}

TEST(sharded_fiber, one_core_is_one_shard) {
    sharded_fiber<epoll_loop> runtime(1);
    EXPECT_EQ(runtime.shard_count(), 1U);
    const auto threads = runtime.run([&] {
        return runtime.gather(10, [&](std::size_t) {
            runtime.yield();
            return ::gettid();
        });
    });
    EXPECT_THAT(threads, Each(::gettid()));
    EXPECT_THROW(sharded_fiber<epoll_loop>(0), std::invalid_argument);
}

TEST(sharded_fiber, more_shards_than_cores_work) {
    sharded_fiber<epoll_loop> runtime(9);
    const std::size_t sum = runtime.run([&] {
        std::size_t all = 0;
        for (int round = 0; round < 50; ++round) {
            for (const std::size_t each : runtime.gather(100, [&](std::size_t i) {
                     runtime.yield();
                     return i;
                 })) {
                all += each;
            }
        }
        return all;
    });
    EXPECT_EQ(sum, 50 * 4950U);
}

TEST(sharded_fiber, fewer_children_than_shards_are_one_for_each) {
    sharded_fiber<epoll_loop> runtime(4);
    const auto values =
        runtime.run([&] { return runtime.gather(3, [](std::size_t i) { return 10 * i; }); });
    EXPECT_THAT(values, ElementsAre(0, 10, 20));
}

TEST(sharded_fiber, stacks_that_cannot_be_are_refused) {
    EXPECT_THROW(sharded_fiber<epoll_loop>(2, {.stack_size = 1}), std::invalid_argument);
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

TEST(sharded_fiber, a_shard_whose_loop_throws_ends_all_and_is_named) {
    if (sanitized) GTEST_SKIP() << "tasks that cannot end are not freed";
    testing::internal::CaptureStderr();
    {
        sharded_fiber<failing_loop> runtime(2);
        try {
            runtime.run([&] {
                runtime.gather(2, [&](std::size_t i) {
                    if (i == 1) {
                        failing_loop::fails = true;
                        runtime.loop_here().stop();
                    }
                    runtime.sleep_for(std::chrono::hours(1));
                });
            });
            ADD_FAILURE() << "nothing was thrown";
        } catch (const std::runtime_error& error) {
            EXPECT_STREQ(error.what(), "the loop of shard 2 of 2 failed: the kernel says no");
        }
    }
    EXPECT_THAT(testing::internal::GetCapturedStderr(),
                testing::HasSubstr("had not ended when their runtime did"));
}

}  // namespace
