#include "bench/harness/child.hpp"
#include "bench/harness/flights.hpp"
#include "bench/harness/percentiles.hpp"
#include "bench/harness/row.hpp"
#include "bench/harness/session.hpp"

#include <overlap/core/runtime.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <numeric>
#include <optional>
#include <signal.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace overlap::bench {
namespace {

using testing::HasSubstr;

TEST(Percentiles, AreExactAndOnlyWhereTheyMeanSomething) {
    using found = std::vector<std::pair<std::string, double>>;
    std::vector<std::int64_t> seconds(100);
    std::iota(seconds.begin(), seconds.end(), 1);
    const auto of = [&] {
        std::vector<std::int64_t> observations = seconds;
        for (std::int64_t& each : observations) each *= 1'000'000'000;
        return percentiles("x", observations);
    };
    EXPECT_EQ(of(), (found{{"x_p50_s", 50}, {"x_max_s", 100}}));
    seconds.resize(2995);
    std::iota(seconds.begin(), seconds.end(), 1);
    std::reverse(seconds.begin(), seconds.end());
    EXPECT_EQ(of(),
              (found{{"x_p50_s", 1498}, {"x_p99_s", 2966}, {"x_p999_s", 2993}, {"x_max_s", 2995}}));
    seconds.clear();
    EXPECT_TRUE(of().empty());
}

TEST(FlightLog, AddsSpansAndFindsThePeak) {
    flight_log log(8);
    {
        auto first = log.enter();
        std::optional<flight_log::flight> second(log.enter());
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        second.reset();
        auto third = log.enter();
        auto moved = std::move(third);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_EQ(log.tasks(), 3U);
    EXPECT_EQ(log.summary().peak, 2U);
    EXPECT_GE(log.summary().spans_s, 0.006) << "3 + 2 + 1 ms at least";
}

TEST(FlightLog, IsSharedWithForkedProcesses) {
    flight_log log(2);
    const pid_t pid = ::fork();
    if (pid == 0) {
        {
            auto flight = log.enter();
        }
        ::_exit(0);
    }
    ::waitpid(pid, nullptr, 0);
    EXPECT_EQ(log.tasks(), 1U);
    EXPECT_EQ(log.summary().peak, 1U);
}

row with_body(std::function<void(session&)> body) {
    row made;
    made.name = "test/case/backend";
    made.tasks = made.work_items = 1;
    made.body = std::move(body);
    return made;
}

measuring_options plain() {
    measuring_options options;
    options.trace = false;
    options.memory = false;
    return options;
}

process_usage own_usage() { return usage_of(RUSAGE_SELF); }

TEST(Measure, GivesMediansOverTheIterations) {
    row made = with_body([](session& line) {
        for (const double value : {5.0, 1.0, 3.0}) {
            line.run(
                "iteration", 2, own_usage,
                [] { std::this_thread::sleep_for(std::chrono::milliseconds(2)); },
                [&](double wall_s) {
                    EXPECT_GE(wall_s, 0.002);
                    return counters{{"value", value}};
                });
        }
    });
    made.iterations = 3;
    const outcome found = measure(made, plain());
    EXPECT_EQ(found.error, "");
    ASSERT_EQ(found.walls_s.size(), 3U);
    EXPECT_EQ(found.figures.at("value"), 3);
    EXPECT_EQ(found.figures.at("verified"), 1);
    EXPECT_GE(found.figures.at("wall_s"), 0.001) << "half of an iteration of two repetitions";
    EXPECT_GT(found.figures.at("harness_share"), 0);
    EXPECT_GE(found.figures.at("sample_s"), 0.006) << "all three iterations";
    EXPECT_EQ(found.figures.count("concurrency"), 0U);
}

/// Runs by how session::run() is told to call them, each with a value of its own.
row with_runs(std::vector<std::pair<std::string, double>> runs) {
    return with_body([runs](session& line) {
        for (const auto& [label, value] : runs) {
            const counters found{{"value", value}};
            line.run(label, 1, own_usage, [] {}, [&](double) { return found; });
        }
    });
}

TEST(Measure, TellsTheFirstRunApartFromTheLaterOnes) {
    row made = with_runs({{"warm_up", 9}, {"cold", 5}, {"iteration", 1}, {"iteration", 2}});
    made.iterations = 2;
    const outcome found = measure(made, plain());
    EXPECT_EQ(found.error, "");
    EXPECT_EQ(found.walls_s.size(), 2U);
    EXPECT_EQ(found.figures.at("value"), 1.5) << "of the later ones";
    EXPECT_EQ(found.figures.at("later_runs"), 2);
    EXPECT_GT(found.figures.at("cold_wall_s"), 0);
    EXPECT_EQ(found.figures.count("cold_cpu_per_task_s"), 1U);
}

TEST(Measure, TakesTheFirstRunWhereThereIsNoOther) {
    const outcome found = measure(with_runs({{"warm_up", 9}, {"cold", 5}}), plain());
    EXPECT_EQ(found.error, "");
    EXPECT_EQ(found.figures.at("value"), 5);
    EXPECT_EQ(found.figures.at("later_runs"), 0);
    EXPECT_EQ(found.figures.at("cold_wall_s"), found.figures.at("wall_s"));
    EXPECT_EQ(found.walls_s.size(), 1U);
}

TEST(Measure, TellsWhatWentWrongInWords) {
    const auto error_of = [](std::function<void(session&)> body, double timeout_s = 30) {
        measuring_options options = plain();
        options.timeout_s = timeout_s;
        return measure(with_body(std::move(body)), options).error;
    };
    EXPECT_EQ(error_of([](session&) { throw wrong_result("2 of 3"); }), "wrong: 2 of 3");
    EXPECT_EQ(error_of([](session&) { throw limit_error("9 threads"); }), "limit: 9 threads");
    EXPECT_EQ(error_of([](session&) { throw std::runtime_error("no"); }), "failed: no");
    EXPECT_EQ(error_of([](session&) { throw std::bad_alloc(); }), "limit: out of memory");
    EXPECT_THAT(error_of([](session&) { ::raise(SIGKILL); }), HasSubstr("killed by signal 9"));
    EXPECT_THAT(error_of([](session&) { ::_exit(3); }), HasSubstr("exited with 3"));
    EXPECT_EQ(error_of([](session&) {}), "failed: ended too early");
    EXPECT_EQ(error_of([](session&) { ::pause(); }, 0.05), "timeout: not done after 0.05 s");
}

TEST(Child, TakesItsWholeGroupAlong) {
    pid_t grandchild = 0;
    {
        child group(purpose::measure, {}, [](session& line) {
            const pid_t pid = ::fork();
            if (pid == 0) {
                ::pause();
                ::_exit(0);
            }
            line.report("pid", {{"value", pid}});
            ::pause();
        });
        const auto message = group.receive(clock::now() + std::chrono::seconds(20));
        ASSERT_TRUE(message);
        grandchild = static_cast<pid_t>(message->at("figures").at("value").get<double>());
        EXPECT_EQ(::kill(grandchild, 0), 0);
        EXPECT_GT(tree_memory_bytes(group.pid()), tree_memory_bytes(grandchild));
    }
    // Nobody but init waits for it, so being gone may take init a moment.
    while (::kill(grandchild, 0) == 0) {
        std::ifstream stat("/proc/" + std::to_string(grandchild) + "/stat");
        std::string line;
        std::getline(stat, line);
        if (line.find(") Z ") != std::string::npos) break;
        std::this_thread::yield();
    }
}

TEST(Program, GivesOutputErrorsAndStatus) {
    program echo({"/bin/sh", "-c", "echo out; echo err >&2; exit 4"});
    const auto result = echo.finish(clock::now() + std::chrono::seconds(20));
    EXPECT_EQ(result.output, "out\n");
    EXPECT_EQ(result.errors, "err\n");
    EXPECT_EQ(describe_end(result.status), "exited with 4");
    program sleeper({"/bin/sleep", "1000"});
    EXPECT_THROW(sleeper.finish(clock::now()), timed_out);
}

}  // namespace
}  // namespace overlap::bench
