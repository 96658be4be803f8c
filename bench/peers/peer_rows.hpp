// Rows on peers: the same cases, the same receipts and the same figures, from a program that does
// the work on request.
#pragma once

#include "bench/harness/answers.hpp"
#include "bench/harness/backend_rows.hpp"
#include "bench/harness/flights.hpp"
#include "bench/harness/full_runs.hpp"
#include "bench/mpi/rank_rows.hpp"
#include "bench/peers/clock.hpp"
#include "bench/peers/peer.hpp"

#include <overlap/core/cores.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <sys/prctl.h>
#include <vector>

namespace overlap::bench {

/// One row's measuring process: the harness's end of a conversation with a peer.
template <workload Workload>
class measured_peer {
public:
    using case_type = typename Workload::case_type;

    /// Says that the row would take too long rather than let it run for more than `timeout_s`.
    measured_peer(session& line, const case_type& given, const peer& which, double timeout_s)
        : line_(line), given_(given), timeout_s_(timeout_s), work_(given), sums_("sums"),
          results_("results"), flights_("flights"),
          takes_turns_(which.model == "event loop" || which.model == "fibers"),
          process_(which.command, which.folder) {
        // System calls are counted for the peer alone: those of a program of this name are left
        // out, and what the peer starts has a name of its own.
        ::prctl(PR_SET_NAME, "harness");
    }

    void measure() {
        if (line_.why() == purpose::measure_memory) return measure_memory();
        measure_lines();
        const bool trace = line_.why() == purpose::measure_trace;
        double once_s =
            measure_once(warm_up_label<Workload>(given_), 1, Workload::warm_up(given_), false);
        std::size_t repeat = repetitions(given_.repeat, once_s);
        if (repeat > 1) {
            // The first gather of a program that is compiled as it runs says little of the next.
            once_s = measure_once("warm_up", repeat, Workload::warm_up(given_), false);
            repeat = repetitions(given_.repeat, once_s);
        }
        if (would_take_too_long(once_s, repeat * given_.iterations + (trace ? 2 : 1))) return;
        for (std::size_t i = 0; i < given_.iterations; ++i) {
            measure_once(iteration_label<Workload>(given_, i), repeat, given_, false);
        }
        if (!trace) return;
        line_.report("flights", measure_flights().figures());
    }

private:
    void measure_memory() {
        const case_type less = Workload::for_memory(given_, line_.memory());
        const std::uint32_t seed = seeds_.next();
        const double wall_s = run_once(less, seed, 1, false).answered_s;
        const double peak = process_.peak_memory_bytes();
        static_cast<void>(check_all(work_, less, seed, answers_of(less, 1, false), wall_s));
        line_.report("memory", {{"peak_memory_bytes", peak}, {"wall_s", wall_s}});
    }

    void measure_lines() {
        constexpr std::size_t few = 9;
        std::vector<double> round_trips_s(few);
        for (double& each : round_trips_s) each = process_.round_trip_s();
        lines_s_ = time_for_lines(round_trips_s);
    }

    /// Warm-ups are no longer than runs, so that this errs on the side of trying.
    bool would_take_too_long(double once_s, std::size_t runs) {
        const double all_s = once_s * static_cast<double>(runs);
        if (all_s <= timeout_s_) return false;
        line_.report_error("would take " + std::to_string(std::llround(all_s)) +
                           " s, more than the " + std::to_string(std::llround(timeout_s_)) +
                           " s that a row may");
        return true;
    }

    struct seeded_run {
        peer_run run;
        std::uint32_t seed;
    };

    /// All repetitions of a run together.
    peer_run run_once(const case_type& given, std::uint32_t seed, std::size_t repeat, bool trace) {
        work_.before_run();
        const cpu_time cpu_before = process_.cpu();
        const auto start = std::chrono::steady_clock::now();
        process_.send({{"request", "run"},
                       {"workload", Workload::asked_of_peers(given)},
                       {"case", given.to_json()},
                       {"seed", seed},
                       {"repeat", repeat},
                       {"trace", trace}});
        if (const auto load = Workload::load_of(given)) {
            line_.ready_for_load(process_.receive_port(), *load, process_.task_limit());
        }
        peer_run found;
        found.wall_s = process_.receive_number("wall_s");
        found.answered_s = seconds_since(start);
        const cpu_used used = cpu_since(cpu_before, process_.cpu());
        found.cpu_s = used.used_s;
        found.cpu_rounded_s = used.rounded_s;
        found.lines_s = lines_s_;
        return found;
    }

    /// Done again while the clocks do not agree: a machine that is busy with something else parts them
    /// now and then, a clock that is wrong each time.
    seeded_run run_plausibly(const case_type& given, std::size_t repeat, bool trace) {
        constexpr int least_tries = 3;
        constexpr double enough_s = 1;
        double all_s = 0;
        for (int tries = 1;; ++tries) {
            const std::uint32_t seed = seeds_.next();
            const peer_run run = run_once(given, seed, repeat, trace);
            const std::string why = why_impossible(run, cores_);
            if (why.empty() && fills_its_time(run)) return {run, seed};
            all_s += run.answered_s;
            if (tries < least_tries || all_s < enough_s) continue;
            const std::string each =
                ", in each of " + std::to_string(tries) + (trace ? " traced runs" : " runs");
            if (!why.empty()) throw wrong_result(why + each);
            throw std::runtime_error(clocks_part(run) + each + "; is the machine busy?");
        }
    }

    double measure_once(const std::string& label, std::size_t repeat, const case_type& given,
                        bool trace) {
        const auto [run, seed] = run_plausibly(given, repeat, trace);
        const auto each = static_cast<double>(repeat);
        const double wall_s = time_taken(run) / each;
        counters figures = check_all(work_, given, seed, answers_of(given, repeat, trace), wall_s);
        figures["wall_s"] = wall_s;
        figures["cpu_s"] = run.cpu_s / each;
        // What why_impossible() lets pass must not be impossible afterwards.
        const double beside_s = run.cpu_rounded_s + static_cast<double>(cores_) * run.lines_s;
        figures["cpu_rounded_s"] = beside_s / each;
        figures["counted_s"] = run.answered_s / each;
        figures["startup_s"] = process_.startup_s();
        line_.report(label, figures);
        return wall_s;
    }

    /// Has the peer write down what the last run came to, when all of that run has been timed.
    run_answers<Workload> answers_of(const case_type& given, std::size_t repeat, bool trace) {
        sums_.clear();
        results_.clear();
        flights_.clear();
        process_.send({{"request", "write"},
                       {"results", results_.path()},
                       {"sums", repeat > 1 ? sums_.path() : ""},
                       {"flights", trace ? flights_.path() : ""}});
        process_.receive_true("written");
        return {sums_.template read<std::uint64_t>(repeat - 1, "sums"),
                results_.template read<typename Workload::result>(Workload::result_count(given),
                                                                  "results")};
    }

    /// Traced again where tasks did not overlap: on several cores, each may end before the next begins
    /// once, by chance.
    flight_summary measure_flights() {
        constexpr int most_tries = 3;
        const std::size_t least =
            least_at_once<Workload>(given_, process_.task_limit(), takes_turns_);
        flight_summary all;
        for (int tries = 0; tries < most_tries && all.peak < least; ++tries) {
            const double wall_s = measure_once("traced", 1, given_, true);
            const auto intervals =
                flights_.template read<flight_interval>(given_.task_count(), "flights");
            check_flights(intervals, wall_s);
            all = summarize(intervals);
            expect_spans(all);
        }
        expect_at_once(all, given_.task_count(), least);
        return all;
    }

    /// Every task has ended after it began, and all of them within the run.
    static void check_flights(const std::vector<flight_interval>& intervals, double wall_s) {
        constexpr double slack = 1.1;
        std::int64_t first = intervals.front().start_ns;
        std::int64_t last = intervals.front().end_ns;
        for (const flight_interval& each : intervals) {
            if (each.end_ns < each.start_ns) throw wrong_result("a task ended before it began");
            first = std::min(first, each.start_ns);
            last = std::max(last, each.end_ns);
        }
        const double span_s = static_cast<double>(last - first) * 1e-9;
        if (span_s > wall_s * slack) {
            throw wrong_result("tasks were in flight over " + std::to_string(span_s) +
                               " s of a run of " + std::to_string(wall_s) + " s");
        }
    }

    /// Tasks that wait are in flight for as long as they wait.
    void expect_spans(const flight_summary& all) const {
        constexpr double of_two_clocks = 0.99;
        const double least_s = Workload::least_spans_s(given_);
        if (all.spans_s < least_s * of_two_clocks) {
            throw wrong_result("tasks were in flight for " + std::to_string(all.spans_s) +
                               " s all together, expected " + std::to_string(least_s));
        }
    }

    session& line_;
    const case_type given_;
    const double timeout_s_;
    const std::size_t cores_ = available_cores();
    double lines_s_ = 0;
    run_seeds seeds_;
    Workload work_;
    shared_file sums_;
    shared_file results_;
    shared_file flights_;
    const bool takes_turns_;
    peer_process process_;
};

/// The row of one case on one peer, if it was chosen.
template <workload Workload>
void add_peer_row(const typename Workload::case_type& given, const peer& which,
                  const options& chosen, std::vector<row>& into) {
    std::optional<row> made = plain_peer_row<Workload>(given, which, chosen);
    if (!made) return;
    made->uses_processes = which.model == "processes";
    foresee<Workload>(*made, given, which.task_limit, chosen);
    const double timeout_s = chosen.measuring.timeout_s;
    made->body = [given, which, timeout_s](session& line) {
        hold_to_cores(given.cores);
        try {
            measured_peer<Workload>(line, given, which, timeout_s).measure();
        } catch (const no_workload&) {
            line.report_error(std::string("no workload: the peer has no ") +
                              Workload::asked_of_peers(given));
        }
    };
    into.push_back(*std::move(made));
}

/// The rows of one case on the built-in backends, on plugged-in loops, on ranks of MPI and on peers, as far as they
/// were chosen.
template <workload Workload>
void add_all_rows(const typename Workload::case_type& given, const options& chosen,
                  std::vector<row>& into) {
    const auto add = [&](const auto& backend) {
        add_backend_row<Workload>(given, backend, chosen, into);
    };
    built_in_backends::for_each(add);
    for (const plugged_loop& loop : chosen.plugged_loops) for_each_backend_on(loop, add);
    for (const peer& each : chosen.ranks) add_rank_row<Workload>(given, each, chosen, into);
    for (const peer& each : chosen.peers) add_peer_row<Workload>(given, each, chosen, into);
}

}  // namespace overlap::bench
