// How long tasks of sleeps sleep, and how a run for memory changes that.
#include "bench/workloads/sleeps/workload.hpp"

#include <chrono>
#include <fstream>
#include <gtest/gtest.h>
#include <string>

namespace overlap::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::vector<sleeps_case> read(const std::string& text) {
    const std::string path = testing::TempDir() + "sleeps_test.toml";
    std::ofstream(path) << text;
    return case_file(path).cases<sleeps_case>();
}

TEST(Sleeps, HaveDelaysThatAreEqualListedOrDrawnByIndex) {
    const auto sleeps = read(R"(
        [sleeps.equal]
        tasks = 2
        delay_s = 0.25
        [sleeps.listed]
        delays_s = [1, 0.5]
        [sleeps.uniform]
        tasks = 1000
        delay_s = { min = 0.001, max = 0.002, seed = 7 }
    )");
    EXPECT_EQ(sleeps[0].delay(1), std::chrono::milliseconds(250));
    EXPECT_EQ(sleeps[1].delay(0), std::chrono::seconds(1));
    EXPECT_EQ(sleeps[1].delay(1), std::chrono::milliseconds(500));
    EXPECT_DOUBLE_EQ(sleeps[1].total_delay_s(), 1.5);
    EXPECT_EQ(sleeps[1].longest_delay(), std::chrono::seconds(1));
    const auto& uniform = sleeps[2];
    EXPECT_EQ(uniform.delay(3).count(),
              1'000'000 + static_cast<std::int64_t>(splitmix64(10) % 1'000'001));
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < 1000; ++i) {
        EXPECT_GE(uniform.delay(i), std::chrono::milliseconds(1));
        EXPECT_LE(uniform.delay(i), std::chrono::milliseconds(2));
        sum += uniform.delay(i).count();
    }
    EXPECT_LT(uniform.longest_delay(), uniform.longest) << "what is drawn need not be the bound";
    EXPECT_NEAR(static_cast<double>(sum) / 1000, 1.5e6, 5e4) << "uniform, seen from afar";
}

TEST(Sleeps, AreDrawnWithSplitMix64) { EXPECT_EQ(splitmix64(1), 10451216379200822465U); }

sleeps_case sleeping(milliseconds shortest, milliseconds longest) {
    sleeps_case made;
    made.tasks = 8;
    made.shortest = shortest;
    made.longest = longest;
    return made;
}

TEST(SleepsForMemory, AreStretchedWhereAllAreTheSame) {
    const auto longest = [](const sleeps_case& given, double least_delay_s) {
        return sleeps_workload::for_memory(given, {.quarters = 3, .least_delay_s = least_delay_s})
            .longest_delay();
    };
    EXPECT_EQ(longest(sleeping(milliseconds(50), milliseconds(50)), 2), seconds(2));
    EXPECT_EQ(longest(sleeping(seconds(3), seconds(3)), 2), seconds(3)) << "and never shortened";
    EXPECT_EQ(longest(sleeping(seconds(0), seconds(0)), 2), seconds(0)) << "a yield is no sleep";
    EXPECT_LE(longest(sleeping(seconds(0), seconds(1)), 2), seconds(1));
}

TEST(SleepsForMemory, AreAsManyAsTheQuartersSay) {
    sleeps_case listed = sleeping(seconds(1), seconds(1));
    listed.listed.assign(8, seconds(1));
    const sleeps_case cut =
        sleeps_workload::for_memory(listed, {.quarters = 2, .least_delay_s = 5});
    EXPECT_EQ(cut.tasks, 4U);
    EXPECT_EQ(cut.listed, std::vector<nanoseconds>(4, seconds(1)));
}

}  // namespace
}  // namespace overlap::bench
