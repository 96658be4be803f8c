// What the runs of a row came to, and the receipt that each of them has to show.
//
// Every run has a seed of its own, with which the values that its tasks compute begin: who answers from
// memory is wrong. Where a run repeats a gather, its leaves are counted on from one repetition to the
// next, and all of them are checked: of each repetition but the last, that its results add up to what
// they must; of the last, each result.
#pragma once

#include "bench/cases/splitmix64.hpp"
#include "bench/harness/flights.hpp"
#include "bench/harness/session.hpp"

#include <overlap/core/error.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <sys/random.h>
#include <vector>

namespace overlap::bench {

/// Seeds of the runs of one measuring process: numbers that SplitMix64 draws from a state that the
/// kernel has drawn. From 1 to 2^31, so that no leaf of a usual case begins with 0, where xorshift stays.
class run_seeds {
public:
    /// Throws std::system_error.
    run_seeds() { check_errno(::getrandom(&state_, sizeof state_, 0), "getrandom"); }
    std::uint32_t next() noexcept {
        return static_cast<std::uint32_t>(splitmix64(state_++) >> 33) + 1;
    }

private:
    std::uint64_t state_ = 0;
};

/// What all repetitions of one run came to.
template <class Workload>
struct run_answers {
    std::vector<std::uint64_t> sums;  ///< Of the results of each repetition but the last.
    std::vector<typename Workload::result> results;  ///< Of the last.
};

/// What repetition `repetition` of a run begins with; modulo 2^32.
template <class Workload>
std::uint32_t seed_of(const typename Workload::case_type& given, std::uint32_t seed,
                      std::size_t repetition) {
    return static_cast<std::uint32_t>(seed + repetition * Workload::leaf_count(given));
}

/// `run(seed)` once for each repetition, which returns its results. Room for the sums is there before.
template <class Workload, class Run>
void run_all(const typename Workload::case_type& given, std::uint32_t seed, const Run& run,
             run_answers<Workload>& into) {
    for (std::size_t i = 0; i <= into.sums.size(); ++i) {
        into.results = run(seed_of<Workload>(given, seed, i));
        if constexpr (std::integral<typename Workload::result>) {
            if (i == into.sums.size()) break;
            into.sums[i] =
                std::accumulate(into.results.begin(), into.results.end(), std::uint64_t{0});
        }
    }
}

/// The workload's counters. Throws wrong_result unless every repetition was right.
template <class Workload>
counters check_all(Workload& work, const typename Workload::case_type& given, std::uint32_t seed,
                   const run_answers<Workload>& answers, double wall_s) {
    for (std::size_t i = 0; i < answers.sums.size(); ++i) {
        const std::uint64_t expected =
            Workload::expected_sum(given, seed_of<Workload>(given, seed, i));
        if (answers.sums[i] == expected) continue;
        throw wrong_result("the results of repetition " + std::to_string(i) + " add up to " +
                           std::to_string(answers.sums[i]) + ", expected " +
                           std::to_string(expected));
    }
    const std::size_t count = Workload::result_count(given);
    if (answers.results.size() != count) {
        throw wrong_result(std::to_string(answers.results.size()) + " of " + std::to_string(count) +
                           " results");
    }
    return work.check(given, seed_of<Workload>(given, seed, answers.sums.size()), answers.results,
                      wall_s);
}

/// Of how many tasks in flight at one time a trace has to tell, where a runtime can have `task_limit`
/// of them. `takes_turns` says that a task which gives way or waits makes room for another on its
/// thread: every task does so at least once, and one that is resumed at once has not.
template <class Workload>
std::size_t least_at_once(const typename Workload::case_type& given, std::size_t task_limit,
                          bool takes_turns) {
    const std::size_t possible = std::min(given.task_count(), task_limit);
    const std::size_t by_turns = takes_turns ? std::min<std::size_t>(possible, 2) : 1;
    return std::max(by_turns, Workload::least_in_flight(given, possible));
}

/// Throws wrong_result where fewer were.
inline void expect_at_once(const flight_summary& all, std::size_t tasks, std::size_t least) {
    if (all.peak >= least) return;
    throw wrong_result("ran at most " + std::to_string(all.peak) + " of " + std::to_string(tasks) +
                       " tasks at once, expected " + std::to_string(least));
}

}  // namespace overlap::bench
