#include <overlap/core/timer_wheel.hpp>

#include <cstdint>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <vector>

namespace overlap {
namespace {

time_point at(std::int64_t ticks) { return time_point(nanoseconds(ticks)); }

/// Timers by number, beside a sorted map that cannot be wrong.
class TimerWheelTest : public testing::Test {
protected:
    explicit TimerWheelTest(std::size_t count = 20'000) : timers_(count) {}

    void arm(std::size_t index, std::int64_t deadline) {
        wheel_.arm(&timers_[index], at(deadline));
        places_[index] = expected_.emplace(std::max(deadline, expired_until_), index);
    }

    void cancel(std::size_t index) {
        const auto place = places_.find(index);
        EXPECT_EQ(wheel_.cancel(&timers_[index]), place != places_.end());
        if (place == places_.end()) return;
        expected_.erase(place->second);
        places_.erase(place);
    }

    /// Expires and compares: the same timers, in the same order.
    void expire(std::int64_t now) {
        operation_queue ready;
        wheel_.expire(at(now), ready);
        expired_until_ = now;
        while (!expected_.empty() && expected_.begin()->first <= now) {
            const std::size_t index = expected_.begin()->second;
            ASSERT_EQ(ready.pop(), &timers_[index]) << "at " << now;
            ASSERT_EQ(timers_[index].result, 0);
            places_.erase(index);
            expected_.erase(expected_.begin());
        }
        ASSERT_TRUE(ready.empty()) << "at " << now;
        ASSERT_EQ(wheel_.empty(), expected_.empty());
    }

    timer_wheel wheel_;
    std::vector<timer_operation> timers_;
    std::multimap<std::int64_t, std::size_t> expected_;  // Equal keys keep the order of insertion.
    std::map<std::size_t, std::multimap<std::int64_t, std::size_t>::iterator> places_;
    std::int64_t expired_until_ = 0;
};

TEST_F(TimerWheelTest, EqualDeadlinesExpireInTheOrderOfArming) {
    for (std::size_t i = 0; i < 100; ++i) arm(i, 1'000'000'007);
    expire(999'999'999);
    for (std::size_t i = 100; i < 200; ++i) arm(i, 1'000'000'007);
    expire(1'000'000'006);
    expire(1'000'000'007);
}

TEST_F(TimerWheelTest, NextIsTheEarliestDeadline) {
    EXPECT_EQ(wheel_.next(), std::nullopt);
    arm(0, 5'000'000'000);
    arm(1, 3'000'000'000);
    arm(2, 3'000'000'001);
    EXPECT_EQ(wheel_.next(), at(3'000'000'000));
    cancel(0);
    EXPECT_EQ(wheel_.next(), at(3'000'000'000));
    expire(3'000'000'000);
    EXPECT_EQ(wheel_.next(), at(3'000'000'001));
    cancel(2);
    EXPECT_EQ(wheel_.next(), std::nullopt);
}

TEST_F(TimerWheelTest, AfterACancelNextMayBeEarlyOnceAndNeverLate) {
    arm(0, 1'000'000'000);
    arm(1, 1'000'500'000);
    cancel(0);
    ASSERT_TRUE(wheel_.next());
    EXPECT_LE(*wheel_.next(), at(1'000'500'000));
    expire(wheel_.next()->time_since_epoch().count());
    ASSERT_FALSE(wheel_.empty());
    EXPECT_EQ(wheel_.next(), at(1'000'500'000));
}

TEST_F(TimerWheelTest, APastDeadlineIsDueAtOnce) {
    expire(1'000'000);
    arm(0, 10);
    arm(1, -10);
    arm(2, 999'999);
    EXPECT_EQ(wheel_.next(), at(1'000'000));
    expire(1'000'000);
}

TEST_F(TimerWheelTest, TheFarthestDeadlinesAreKept) {
    arm(0, std::numeric_limits<std::int64_t>::max());
    arm(1, std::numeric_limits<std::int64_t>::max() - 1);
    expire(1'000'000'000'000'000'000);
    EXPECT_EQ(wheel_.next(), at(std::numeric_limits<std::int64_t>::max() - 1));
    expire(std::numeric_limits<std::int64_t>::max());
    EXPECT_TRUE(wheel_.empty());
}

TEST_F(TimerWheelTest, SleepsOfOneDelayAreTakenFromASlotAsFarAsTheyAreDue) {
    constexpr std::int64_t delay = 100'000'000;
    for (std::size_t index = 0; index < 400; ++index) {
        arm(index, delay + 300 * static_cast<std::int64_t>(index));
    }
    cancel(399);
    arm(400, delay + 200 * 300);  // Out of order: the slots that it passes through are not sorted.
    for (std::int64_t now = delay - 500; now < delay + 150'000; now += 7'001) expire(now);
    EXPECT_TRUE(wheel_.empty());
}

TEST_F(TimerWheelTest, AgreesWithASortedMapOverRandomHistories) {
    for (std::uint32_t seed = 1; seed <= 20; ++seed) {
        std::mt19937_64 random(seed);
        std::int64_t now = expired_until_;
        for (int step = 0; step < 3000; ++step) {
            const std::size_t index = random() % 500;
            // Ranges of all sizes, so that every level of the wheel is met.
            const auto range = static_cast<std::int64_t>(std::uint64_t{1} << random() % 41);
            const auto offset =
                static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(range));
            switch (random() % 4) {
            case 0:
                cancel(index);
                break;
            case 1:
                now += offset / 64;
                expire(now);
                break;
            default:
                if (!places_.contains(index)) arm(index, now + offset - range / 16);
                break;
            }
            if (HasFatalFailure()) return;
        }
    }
}

}  // namespace
}  // namespace overlap
