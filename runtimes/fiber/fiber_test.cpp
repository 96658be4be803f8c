#include <overlap/fiber/fiber.hpp>
#include <overlap/loops/epoll.hpp>
#include <overlap/loops/poll.hpp>
#include <overlap/loops/uring.hpp>
#include <overlap/loops/virtual_time.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace {

using namespace overlap;
using namespace std::chrono_literals;
using testing::ElementsAre;

static_assert(direct_runtime<fiber<poll_loop>>);
static_assert(direct_runtime<fiber<epoll_loop>>);
static_assert(direct_runtime<fiber<uring_loop>>);
static_assert(direct_runtime<fiber<virtual_time_loop>>);

/// ThreadSanitizer has room for about 8,000 fibers.
constexpr std::size_t many = (address_sanitizer || thread_sanitizer) ? 4'000 : 100'000;

template <class Loop>
class fiber_on : public testing::Test {
protected:
    void SetUp() override {
        if (const availability can = Loop::available(); !can) GTEST_SKIP() << can.reason;
        loop_.emplace();
        runtime_.emplace(*loop_);
    }

    std::optional<Loop> loop_;
    std::optional<fiber<Loop>> runtime_;
};
using loops = testing::Types<poll_loop, epoll_loop, uring_loop, virtual_time_loop>;
struct loop_names {
    template <class Loop>
    static std::string GetName(int) {
        return std::string(Loop::name());
    }
};
TYPED_TEST_SUITE(fiber_on, loops, loop_names);

TYPED_TEST(fiber_on, is_named_after_its_loop) {
    EXPECT_EQ(this->runtime_->name(), "fiber:" + std::string(TypeParam::name()));
}

TYPED_TEST(fiber_on, runs_a_root_to_its_result_again_and_again) {
    auto& runtime = *this->runtime_;
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(runtime.run([&] {
            runtime.yield();
            return i;
        }),
                  i);
    }
    int ran = 0;
    runtime.run([&] { ++ran; });
    EXPECT_EQ(ran, 1);
    EXPECT_EQ(*runtime.run([] { return std::make_unique<int>(7); }), 7);
}

TYPED_TEST(fiber_on, throws_what_the_root_throws) {
    auto& runtime = *this->runtime_;
    const auto root = [&] {
        runtime.yield();
        throw std::runtime_error("root");
    };
    EXPECT_THROW(runtime.run(root), std::runtime_error);
    EXPECT_EQ(runtime.run([] { return 1; }), 1);
}

TYPED_TEST(fiber_on, goes_on_when_somebody_else_stops_the_loop) {
    auto& runtime = *this->runtime_;
    EXPECT_EQ(runtime.run([&] {
        runtime.loop().stop();
        runtime.sleep_for(1ms);
        return 1;
    }),
              1);
}

TYPED_TEST(fiber_on, refuses_calls_from_the_wrong_place) {
    auto& runtime = *this->runtime_;
    EXPECT_THROW(runtime.yield(), std::logic_error);
    EXPECT_THROW(runtime.gather(1, [](std::size_t) {}), std::logic_error);
    EXPECT_THROW(runtime.run([&] { runtime.run([] {}); }), std::logic_error);
}

TYPED_TEST(fiber_on, starts_no_more_of_a_large_gather_than_tasks_that_end_soon_need) {
    auto& runtime = *this->runtime_;
    std::size_t running = 0;
    std::size_t peak = 0;
    runtime.run([&] {
        return runtime.gather(many, [&](std::size_t index) {
            peak = std::max(peak, ++running);
            runtime.yield();
            --running;
            return index;
        });
    });
    EXPECT_GT(peak, 1U);
    EXPECT_LT(peak, many / 10);
}

TYPED_TEST(fiber_on, lets_a_timer_go_while_a_large_gather_is_started) {
    if (std::is_same_v<TypeParam, virtual_time_loop>) GTEST_SKIP() << "its clock waits for tasks";
    auto& runtime = *this->runtime_;
    std::size_t started = 0;
    const auto seen = runtime.run([&] {
        return runtime.gather(many, [&](std::size_t index) {
            ++started;
            if (index == 0) runtime.sleep_for(1ns);
            return started;
        });
    });
    EXPECT_LT(seen.front(), many);
}

TYPED_TEST(fiber_on, gathers_results_in_order) {
    auto& runtime = *this->runtime_;
    const auto results = runtime.run([&] {
        return runtime.gather(1'000, [&](std::size_t index) {
            for (std::size_t i = 0; i < index % 7; ++i) runtime.yield();
            return index * index;
        });
    });
    ASSERT_EQ(results.size(), 1'000U);
    for (std::size_t i = 0; i < results.size(); ++i) EXPECT_EQ(results[i], i * i);
    EXPECT_TRUE(
        runtime.run([&] { return runtime.gather(0, [](std::size_t) { return 1; }); }).empty());
}

TYPED_TEST(fiber_on, starts_children_in_order_and_each_runs_until_it_first_waits) {
    auto& runtime = *this->runtime_;
    std::string events;
    runtime.run([&] {
        runtime.gather(3, [&](std::size_t index) {
            const char name = static_cast<char>('a' + index);
            events += name;
            events += '1';
            runtime.yield();
            events += name;
            events += '2';
        });
        events += '.';
    });
    EXPECT_EQ(events, "a1b1c1a2b2c2.");
}

TYPED_TEST(fiber_on, throws_the_exception_of_the_lowest_index_after_all_have_ended) {
    auto& runtime = *this->runtime_;
    std::size_t ended = 0;
    const auto failing = [&](std::size_t index) {
        for (std::size_t i = index; i < 10; ++i) runtime.yield();  // The lowest throws last.
        ++ended;
        if (index >= 5) throw std::runtime_error(std::to_string(index));
        return index;
    };
    try {
        runtime.run([&] { return runtime.gather(10, failing); });
        FAIL() << "no exception";
    } catch (const std::runtime_error& error) {
        EXPECT_STREQ(error.what(), "5");
    }
    EXPECT_EQ(ended, 10U);
}

TYPED_TEST(fiber_on, waits_inside_a_catch_block) {
    auto& runtime = *this->runtime_;
    const auto rethrown = runtime.run([&] {
        return runtime.gather(100, [&](std::size_t index) {
            try {
                runtime.yield();
                throw std::runtime_error(std::to_string(index));
            } catch (...) {
                runtime.yield();  // Others throw and catch meanwhile.
                try {
                    throw;
                } catch (const std::exception& mine) {
                    return std::string(mine.what());
                }
            }
        });
    });
    for (std::size_t i = 0; i < rethrown.size(); ++i) EXPECT_EQ(rethrown[i], std::to_string(i));
    EXPECT_EQ(std::current_exception(), nullptr);
}

TYPED_TEST(fiber_on, waits_in_a_destructor_during_unwinding) {
    auto& runtime = *this->runtime_;
    struct yields_at_end {
        fiber<TypeParam>& runtime;
        ~yields_at_end() { runtime.yield(); }
    };
    const auto counts = runtime.run([&] {
        return runtime.gather(10, [&](std::size_t index) {
            try {
                const yields_at_end last{runtime};
                if (index % 2 == 0) throw 1;
            } catch (int) {}
            return std::uncaught_exceptions();
        });
    });
    EXPECT_THAT(counts, testing::Each(0));
}

TYPED_TEST(fiber_on, nests_gathers) {
    auto& runtime = *this->runtime_;
    const auto leaves = [&](auto& self, int depth) -> std::size_t {
        if (depth == 0) {
            runtime.yield();
            return 1;
        }
        const auto each = runtime.gather(5, [&](std::size_t) { return self(self, depth - 1); });
        std::size_t sum = 0;
        for (const std::size_t some : each) sum += some;
        return sum;
    };
    EXPECT_EQ(runtime.run([&] { return leaves(leaves, 4); }), 625U);
}

TYPED_TEST(fiber_on, sleeps_no_shorter_than_asked_and_always_suspends) {
    auto& runtime = *this->runtime_;
    std::vector<int> order;
    runtime.run([&] {
        runtime.gather(2, [&](std::size_t index) {
            const auto deadline = runtime.now() + (index == 0 ? 3ms : -1h);
            runtime.sleep_until(deadline);
            EXPECT_GE(runtime.now(), deadline);
            order.push_back(static_cast<int>(index));
        });
        runtime.gather(2, [&](std::size_t index) {
            if (index == 0) runtime.sleep_until(time_point::min());
            order.push_back(static_cast<int>(index) + 2);
        });
    });
    EXPECT_THAT(order, ElementsAre(1, 0, 3, 2));
}

TYPED_TEST(fiber_on, has_many_tasks_in_flight_at_once) {
    auto& runtime = *this->runtime_;
    std::size_t in_flight = 0;
    std::size_t peak = 0;
    const auto results = runtime.run([&] {
        return runtime.gather(many, [&](std::size_t index) {
            peak = std::max(peak, ++in_flight);
            while (peak < many) runtime.sleep_for(100ms);
            --in_flight;
            return index;
        });
    });
    EXPECT_EQ(peak, many);
    EXPECT_EQ(results[many - 1], many - 1);
}

TYPED_TEST(fiber_on, uses_stacks_again) {
    auto& runtime = *this->runtime_;
    const auto stacks_of = [&] {
        return runtime.run([&] {
            return runtime.gather(50, [&](std::size_t) {
                int local = 0;
                runtime.yield();
                return reinterpret_cast<std::uintptr_t>(&local) / 65536;
            });
        });
    };
    if (address_sanitizer) GTEST_SKIP() << "which may keep locals elsewhere";
    auto first = stacks_of();
    auto second = stacks_of();
    std::sort(first.begin(), first.end());
    std::sort(second.begin(), second.end());
    EXPECT_EQ(first, second);
}

struct counts_end {
    int& ends;
    ~counts_end() { ++ends; }
};

TYPED_TEST(fiber_on, takes_back_what_it_submitted_when_tasks_are_left) {
    auto& runtime = *this->runtime_;
    std::string reported;
    runtime.on_report([&](const std::string& line) { reported += line; });
    int destroyed = 0;
    runtime.run([&] {
        const auto wait = [&](auto waiting) {
            return [&, waiting] {
                const counts_end never{destroyed};
                waiting();
            };
        };
        (void)runtime.spawn(wait([&] { runtime.sleep_for(24h); }));
        (void)runtime.spawn(
            wait([&] { runtime.gather(2, [&](std::size_t) { runtime.sleep_for(24h); }); }));
        runtime.sleep_for(1ms);
        (void)runtime.spawn(wait([] {}));
    });
    this->runtime_.reset();
    EXPECT_EQ(reported, "5 tasks on fibers had not ended when their runtime did");
    EXPECT_EQ(destroyed, 0) << "nothing is unwound";
    // The loop has nothing of them any more, and serves another runtime.
    fiber<TypeParam> next(*this->loop_);
    EXPECT_EQ(next.run([&] {
        next.sleep_for(1ms);
        return 1;
    }),
              1);
}

}  // namespace
