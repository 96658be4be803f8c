// Memory a task: from which runs it is had, and when there is no such figure.
#include "bench/harness/row.hpp"

#include <overlap/core/cores.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace overlap::bench {

namespace {

using ::testing::Contains;
using ::testing::DoubleNear;
using ::testing::Key;
using ::testing::Not;
using ::testing::Optional;
using ::testing::Pair;

constexpr std::size_t tasks = 1000;
constexpr double program_bytes = 5e6;

/// What a made-up backend does when it is measured, and in a run for memory.
struct behaviour {
    double peak_in_flight = tasks;
    double wall_s = 3;
    double cpu_s = 1;
    double counted_s = 3;  ///< The time over which the processor's was counted.
    double cpu_rounded_s = 0;
    double spans_s = 1;
    bool can_stretch = true;
    double start_s = 0;         ///< What all takes beside the delay in a run for memory, and
    double slowed_down_by = 0;  ///< how much of the delay besides.
    std::function<double(const memory_run&)> bytes_of_a_task = [](const memory_run&) {
        return 100.0;
    };
};

outcome measured(const behaviour& what) {
    row made;
    made.name = "test/case/backend";
    made.tasks = made.work_items = tasks;
    made.has_memory = true;
    made.can_stretch = what.can_stretch;
    made.body = [what](session& line) {
        if (line.why() == purpose::measure_memory) {
            const memory_run& how = line.memory();
            const auto started = static_cast<double>(tasks * how.quarters / 4);
            line.report("memory",
                        {{"peak_memory_bytes", program_bytes + started * what.bytes_of_a_task(how)},
                         {"wall_s", how.least_delay_s * (1 + what.slowed_down_by) + what.start_s}});
            return;
        }
        line.report("iteration", {{"wall_s", what.wall_s},
                                  {"cpu_s", what.cpu_s},
                                  {"counted_s", what.counted_s},
                                  {"cpu_rounded_s", what.cpu_rounded_s}});
        line.report("traced", {{"wall_s", what.wall_s}});
        line.report("flights",
                    {{"spans_s", what.spans_s}, {"peak_in_flight", what.peak_in_flight}});
    };
    return measure(made, {});
}

TEST(Averages, DivideByTheTimeThatWasCounted) {
    const outcome found = measured({.wall_s = 1, .cpu_s = 0.5, .counted_s = 2, .spans_s = 900});
    EXPECT_EQ(found.error, "");
    EXPECT_THAT(found.figures, Contains(Pair("parallelism", DoubleNear(0.25, 1e-9))));
    EXPECT_THAT(found.figures, Contains(Pair("concurrency", DoubleNear(900, 1e-9))));
    EXPECT_FALSE(found.figures.contains("counted_s"));
}

TEST(Averages, ThatAreImpossibleAreWrong) {
    EXPECT_THAT(measured({.wall_s = 1, .spans_s = 1'050}).error,
                ::testing::StartsWith("wrong: 1050 tasks in flight on average, of 1000"));
    const auto cores = static_cast<double>(available_cores());
    EXPECT_THAT(measured({.cpu_s = 2 * cores, .counted_s = 1}).error,
                ::testing::HasSubstr("cores kept busy on average"));
    // Two ticks of 10 ms more than there can be in a run of 5 ms may be how the kernel rounds.
    behaviour rounded{.cpu_s = 0.005 * cores + 0.02, .counted_s = 0.005};
    EXPECT_THAT(measured(rounded).error, ::testing::HasSubstr("cores kept busy on average"));
    rounded.cpu_rounded_s = 0.02;
    EXPECT_EQ(measured(rounded).error, "");
}

TEST(Memory, IsASlopeOverRunsOfTheCaseAsItIsWhereAllTasksWereInFlight) {
    const outcome found = measured({.bytes_of_a_task = [](const memory_run& how) {
        return how.least_delay_s == 0 ? 100.0 : 0.0;
    }});
    EXPECT_EQ(found.error, "");
    EXPECT_THAT(found.figures, Contains(Pair("bytes_per_task", DoubleNear(100, 1e-6))));
    EXPECT_THAT(found.figures, Contains(Pair("peak_memory_bytes", program_bytes + 100 * tasks)));
}

TEST(Memory, MakesSleepsLongEnoughForAllTasksToBeInFlight) {
    const auto delay_as_bytes = [](const memory_run& how) { return how.least_delay_s; };
    const auto delay_for = [&](double wall_s) {
        return measured({.peak_in_flight = tasks - 1,
                         .wall_s = wall_s,
                         .bytes_of_a_task = delay_as_bytes})
            .figures.at("bytes_per_task");
    };
    EXPECT_NEAR(delay_for(3), 6, 1e-6) << "twice what the measured run took";
    EXPECT_NEAR(delay_for(0.01), 1, 1e-6) << "but a second at least";
}

TEST(Memory, MakesSleepsLongerUntilAllTasksAreInFlight) {
    behaviour slow{.peak_in_flight = tasks - 1,
                   .bytes_of_a_task = [](const memory_run& how) { return how.least_delay_s; }};
    const auto delay_after = [&](double start_s) {
        slow.start_s = start_s;
        return measured(slow).figures.at("bytes_per_task");
    };
    EXPECT_NEAR(delay_after(5.9), 6, 1e-6) << "all had begun when the first ended";
    EXPECT_NEAR(delay_after(6), 12, 1e-6);
    EXPECT_NEAR(delay_after(50), 100, 1e-6);
}

TEST(Memory, HasAllTasksInFlightOrGivesNoFigure) {
    const outcome found = measured({.peak_in_flight = tasks - 1, .slowed_down_by = 2});
    EXPECT_EQ(found.error, "") << "what was measured before is kept";
    EXPECT_THAT(found.figures, Contains(Key("verified")));
    EXPECT_THAT(found.figures, Not(Contains(Key("bytes_per_task"))));
}

TEST(Memory, GivesThePeakAloneWhereTasksCannotAllBeInFlight) {
    const outcome found = measured({.peak_in_flight = tasks - 1, .can_stretch = false});
    EXPECT_THAT(found.figures, Contains(Pair("peak_memory_bytes", program_bytes + 100 * tasks)));
    EXPECT_THAT(found.figures, Not(Contains(Key("bytes_per_task"))));
}

TEST(Memory, GivesThePeakAloneWhereAHeapGrowsAtOnce) {
    const outcome found = measured({.bytes_of_a_task = [](const memory_run& how) {
        return how.quarters == 4 ? 4000.0 : 0.0;
    }});
    EXPECT_THAT(found.figures, Contains(Key("peak_memory_bytes")));
    EXPECT_THAT(found.figures, Not(Contains(Key("bytes_per_task"))));
}

TEST(BytesPerTask, IsTheSlopeOfALine) {
    const auto of_a_line = [](double few, double more, double all, double slope) {
        return bytes_per_task(
            {{{few, 3e6 + slope * few}, {more, 3e6 + slope * more}, {all, 3e6 + slope * all}}});
    };
    EXPECT_THAT(of_a_line(500, 750, 1000, 144), Optional(DoubleNear(144, 1e-6)));
    EXPECT_THAT(of_a_line(5, 7, 10, 50000), Optional(DoubleNear(50000, 1e-3)));
    EXPECT_EQ(of_a_line(500, 750, 1000, 0), std::nullopt);
    EXPECT_EQ(of_a_line(500, 750, 1000, -90), std::nullopt);
}

TEST(BytesPerTask, NeedsBothStepsToAgreeWithinAFactorOfTwo) {
    const auto of_steps = [](double first, double second) {
        return bytes_per_task({{{500, 1e6}, {750, 1e6 + first}, {1000, 1e6 + first + second}}});
    };
    EXPECT_THAT(of_steps(1000, 2000), Optional(DoubleNear(6, 1e-6)));
    EXPECT_THAT(of_steps(2000, 1000), Optional(DoubleNear(6, 1e-6)));
    EXPECT_EQ(of_steps(1000, 2001), std::nullopt);
    EXPECT_EQ(of_steps(2001, 1000), std::nullopt);
    EXPECT_EQ(of_steps(3000, -1000), std::nullopt);
    EXPECT_EQ(of_steps(-1000, 3000), std::nullopt);
}

}  // namespace

}  // namespace overlap::bench
