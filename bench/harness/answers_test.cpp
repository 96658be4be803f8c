// Seeds, what is made of them, and what is said of who did not compute or did not give way.
#include "bench/harness/answers.hpp"
#include "bench/workloads/gather/workload.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>
#include <string>
#include <vector>

namespace overlap::bench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(LeafOracle, ComputesWhatLeavesDo) {
    for (const std::uint32_t steps : {0U, 1U, 7U}) {
        leaf_oracle oracle(0xffff'fff0, steps);
        for (std::size_t leaf = 0; leaf < 40; ++leaf) {
            EXPECT_EQ(oracle.next(), leaf_value(leaf_state(0xffff'fff0, leaf), steps)) << leaf;
        }
    }
    EXPECT_EQ(leaf_oracle(1, 1).next(), 270369U) << "as bench/README.md has it";
    EXPECT_EQ(leaf_oracle(5, 0).next_sum(20), 20U * 5 + 190);
}

TEST(RunSeeds, AreNewForEachRunAndEachProcess) {
    std::set<std::uint32_t> drawn;
    for (int process = 0; process < 4; ++process) {
        run_seeds seeds;
        for (int run = 0; run < 5; ++run) {
            const std::uint32_t seed = seeds.next();
            EXPECT_GE(seed, 1U);
            EXPECT_LE(seed, 1U << 31);
            drawn.insert(seed);
        }
    }
    EXPECT_GE(drawn.size(), 19U) << "two of them may be equal, by chance, once in 10 million tests";
}

gather_case pairs() {
    gather_case made;
    made.name = "pairs";
    made.fan_out = 2;
    made.depth = 2;
    made.work = 3;
    return made;
}

/// What a gather of pairs returns.
std::vector<std::uint64_t> pairs_from(std::uint32_t seed) {
    leaf_oracle oracle(seed, pairs().work);
    const std::uint64_t first = oracle.next_sum(2);
    return {first, oracle.next_sum(2)};
}

TEST(Repetitions, GoOnWithTheLeavesAfterThoseOfTheOneBefore) {
    std::vector<std::uint32_t> seeds;
    run_answers<gather_workload> answers;
    answers.sums.resize(2);
    const auto run = [&](std::uint32_t seed) {
        seeds.push_back(seed);
        return pairs_from(seed);
    };
    run_all<gather_workload>(pairs(), 7, run, answers);
    EXPECT_THAT(seeds, ElementsAre(7, 11, 15));
    EXPECT_EQ(answers.results, pairs_from(15));
}

std::string words_of(std::vector<std::uint64_t> sums, std::vector<std::uint64_t> results) {
    gather_workload work(pairs());
    try {
        check_all<gather_workload>(work, pairs(), 7, {std::move(sums), std::move(results)}, 1);
    } catch (const wrong_result& error) {
        return error.what();
    }
    return "";
}

TEST(Repetitions, AreAllChecked) {
    const std::uint64_t first = sum_of(pairs_from(7));
    const std::uint64_t second = sum_of(pairs_from(11));
    EXPECT_EQ(words_of({first, second}, pairs_from(15)), "");
    EXPECT_THAT(words_of({first, first}, pairs_from(15)),
                HasSubstr("the results of repetition 1 add up to " + std::to_string(first) +
                          ", expected " + std::to_string(second)));
    EXPECT_THAT(words_of({first, second}, pairs_from(11)), HasSubstr("result 0 is "));
    EXPECT_EQ(words_of({first, second}, {1}), "1 of 2 results");
}

TEST(Turns, LeaveAtLeastTwoTasksInFlight) {
    EXPECT_EQ(least_at_once<gather_workload>(pairs(), unlimited, true), 2U);
    EXPECT_EQ(least_at_once<gather_workload>(pairs(), unlimited, false), 1U);
    EXPECT_EQ(least_at_once<gather_workload>(pairs(), 1, true), 1U);
    gather_case one;
    one.fan_out = 1;
    EXPECT_EQ(least_at_once<gather_workload>(one, unlimited, true), 1U);
    EXPECT_NO_THROW(expect_at_once({.spans_s = 1, .peak = 2}, 5, 2));
    EXPECT_THROW(expect_at_once({.spans_s = 1, .peak = 1}, 5, 2), wrong_result);
}

struct owns_a_loop {
    epoll_loop owned;
};

/// A scheduler that resumes at once who gives way.
class eager : owns_a_loop, public coroutine<epoll_loop> {
public:
    eager() : coroutine<epoll_loop>(owned) {}
    static std::string name() { return "eager"; }
    static std::suspend_never yield() noexcept { return {}; }
};

TEST(Turns, AreMissedWhereWhoYieldsIsResumedAtOnce) {
    std::vector<row> rows;
    gather_case flat = pairs();
    flat.depth = 1;
    flat.fan_out = 20;
    add_backend_row<gather_workload>(flat, plain_backend<eager>(), {}, rows);
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(measure(rows.front(), {}).error,
              "wrong: ran at most 1 of 20 tasks at once, expected 2");
}

}  // namespace
}  // namespace overlap::bench
