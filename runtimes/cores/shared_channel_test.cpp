// Channels whose ends are on different shards.
#include <overlap/cores/cores_coroutine.hpp>
#include <overlap/loops/epoll.hpp>
#include <overlap/loops/poll.hpp>
#include <overlap/loops/uring.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace {

using namespace overlap;
using namespace std::chrono_literals;
using testing::Each;

template <class Runtime>
class shared_channel_test : public testing::Test {
public:
    Runtime runtime{2};

    /// Runs `body(0) .. body(n - 1)`, half of them on each shard.
    template <class Body>
    void gather(std::size_t n, Body body) {
        runtime.run(gathering(*this, n, body));
    }

private:
    template <class Body>
    static task<> gathering(shared_channel_test& self, std::size_t n, Body& body) {
        co_await self.runtime.gather(n, std::ref(body));
    }
};

using runtimes = testing::Types<sharded_coroutine<epoll_loop>, sharded_coroutine<uring_loop>,
                                stealing_coroutine<poll_loop>, stealing_coroutine<uring_loop>>;

struct names {
    template <class Runtime>
    static std::string GetName(int) {
        std::string name = Runtime::name();
        std::replace(name.begin(), name.end(), ':', '_');
        return name;
    }
};
TYPED_TEST_SUITE(shared_channel_test, runtimes, names);

/// Tasks 0 to 2 push, 3 to 5 pop: with two shards each has a shard of its own.
TYPED_TEST(shared_channel_test, brings_each_element_to_one_who_pops_in_the_order_of_its_producer) {
    constexpr std::size_t producers = 3;
    constexpr int each = 20'000;
    for (const std::size_t capacity : {1U, 2U, 100U}) {
        auto numbers = this->runtime.template make_channel<int>(capacity);
        std::atomic<std::size_t> pushing = producers;
        std::vector<std::vector<int>> popped(producers);
        this->gather(2 * producers, [&](std::size_t i) -> task<> {
            if (i < producers) {
                const int first = static_cast<int>(i) * each;
                for (int n = 0; n < each; ++n) co_await numbers.push(first + n);
                if (--pushing == 0) numbers.close();
            } else {
                std::vector<int>& mine = popped[i - producers];
                while (const std::optional<int> n = co_await numbers.pop()) mine.push_back(*n);
            }
        });
        std::vector<int> seen(producers * each);
        for (const std::vector<int>& mine : popped) {
            std::vector<int> last(producers, -1);
            for (const int n : mine) {
                ++seen[static_cast<std::size_t>(n)];
                int& before = last[static_cast<std::size_t>(n / each)];
                EXPECT_LT(before, n);
                before = n;
            }
        }
        EXPECT_THAT(seen, Each(1)) << "capacity " << capacity;
    }
}

TYPED_TEST(shared_channel_test, who_waits_goes_on_where_it_waited) {
    auto numbers = this->runtime.template make_channel<int>(1);
    this->gather(2, [&](std::size_t i) -> task<> {
        const auto home = std::this_thread::get_id();
        for (int n = 0; n < 100; ++n) {
            if (i == 0) {
                co_await numbers.push(n);
            } else {
                EXPECT_EQ(co_await numbers.pop(), n);
            }
            EXPECT_EQ(std::this_thread::get_id(), home);
        }
    });
}

TYPED_TEST(shared_channel_test, who_waits_is_told_when_another_shard_closes_it) {
    auto numbers = this->runtime.template make_channel<int>(1);
    auto full = this->runtime.template make_channel<int>(1);
    ASSERT_TRUE(full.try_push(1));
    std::error_code error;
    this->gather(2, [&](std::size_t i) -> task<> {
        if (i == 0) {
            EXPECT_EQ(co_await numbers.pop(), std::nullopt);
            try {
                co_await full.push(2);
            } catch (const std::system_error& failure) {
                error = failure.code();
            }
        } else {
            co_await this->runtime.sleep_for(1ms);
            numbers.close();
            co_await this->runtime.sleep_for(1ms);
            full.close();
        }
    });
    EXPECT_EQ(error, std::errc::broken_pipe);
    EXPECT_EQ(full.try_pop(), 1);
}

TYPED_TEST(shared_channel_test, holds_at_least_one_element) {
    EXPECT_THROW(this->runtime.template make_channel<int>(0), std::invalid_argument);
}

}  // namespace
