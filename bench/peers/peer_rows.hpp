// Rows on peers: the same cases, the same receipts and the same figures, from a program that does
// the work on request.
#pragma once

#include "bench/harness/backend_rows.hpp"
#include "bench/harness/flights.hpp"
#include "bench/peers/clock.hpp"
#include "bench/peers/peer.hpp"

#include <overlap/core/cores.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <sys/prctl.h>
#include <vector>

namespace overlap::bench {

/// One row's measuring process: the harness's end of a conversation with a peer.
template <class Workload>
class measured_peer {
public:
    using case_type = typename Workload::case_type;

    /// Says that the row would take too long rather than let it run for more than `timeout_s`.
    measured_peer(session& line, const case_type& spec, const peer& which, double timeout_s)
        : line_(line), spec_(spec), timeout_s_(timeout_s), work_(spec), results_("results"),
          flights_("flights"), process_(which.command, which.folder) {
        // System calls are counted for the peer alone: those of a program of this name are left
        // out, and what the peer starts has a name of its own.
        ::prctl(PR_SET_NAME, "harness");
    }

    void measure() {
        if (line_.why() == purpose::weigh) return weigh();
        const bool trace = line_.why() == purpose::measure_trace;
        double once_s = measure_once("warm_up", 1, Workload::warm_up(spec_), false);
        std::size_t repeat = repetitions(spec_.repeat, once_s);
        if (repeat > 1) {
            // The first gather of a program that is compiled as it runs says little of the next.
            once_s = measure_once("warm_up", repeat, Workload::warm_up(spec_), false);
            repeat = repetitions(spec_.repeat, once_s);
        }
        if (would_take_too_long(once_s, repeat * spec_.iterations + (trace ? 2 : 1))) return;
        for (std::size_t i = 0; i < spec_.iterations; ++i) {
            measure_once("iteration", repeat, spec_, false);
        }
        if (!trace) return;
        const case_type traced = Workload::traced(spec_);
        const double wall_s = measure_once("traced", 1, traced, true);
        report_flights(traced, wall_s);
    }

private:
    void weigh() {
        const case_type cut_down = Workload::cut_down(spec_, line_.how_to_weigh());
        const double wall_s = run_once(cut_down, 1, false).answered_s;
        const double peak = process_.peak_memory_bytes();
        static_cast<void>(work_.check(cut_down, results_of(cut_down, false), wall_s));
        line_.report("weight", {{"peak_memory_bytes", peak}, {"wall_s", wall_s}});
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

    /// All repetitions of a run together.
    peer_run run_once(const case_type& spec, std::size_t repeat, bool trace) {
        const double cpu_before = process_.cpu_s();
        const auto start = std::chrono::steady_clock::now();
        process_.send({{"request", "run"},
                       {"workload", case_type::workload},
                       {"case", Workload::to_json(spec)},
                       {"repeat", repeat},
                       {"trace", trace}});
        if constexpr (requires { spec.connections; }) {
            line_.ready_for_load(process_.receive_port(), spec.connections, spec.messages,
                                 std::min(spec.connections, process_.task_limit()));
        }
        peer_run found;
        found.wall_s = process_.receive_number("wall_s");
        found.answered_s =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        found.cpu_s = process_.cpu_s() - cpu_before;
        return found;
    }

    /// Done again while the clocks do not agree: a machine that is busy with something else parts them
    /// now and then, a clock that is wrong each time.
    peer_run run_plausibly(const case_type& spec, std::size_t repeat, bool trace) {
        constexpr int least_tries = 3;
        constexpr double enough_s = 1;
        double all_s = 0;
        for (int tries = 1;; ++tries) {
            const peer_run run = run_once(spec, repeat, trace);
            const std::string why = why_impossible(run, cores_);
            if (why.empty() && fills_its_time(run)) return run;
            all_s += run.answered_s;
            if (tries < least_tries || all_s < enough_s) continue;
            const std::string each =
                ", in each of " + std::to_string(tries) + (trace ? " traced runs" : " runs");
            if (!why.empty()) throw wrong_result(why + each);
            throw std::runtime_error(clocks_part(run) + each + "; is the machine busy?");
        }
    }

    double measure_once(const std::string& label, std::size_t repeat, const case_type& spec,
                        bool trace) {
        const peer_run run = run_plausibly(spec, repeat, trace);
        const auto each = static_cast<double>(repeat);
        counters figures = work_.check(spec, results_of(spec, trace), run.wall_s / each);
        figures["wall_s"] = run.wall_s / each;
        figures["cpu_s"] = run.cpu_s / each;
        figures["startup_s"] = process_.startup_s();
        line_.report(label, figures);
        return run.wall_s / each;
    }

    /// Has the peer write down what the last run came to, when all of that run has been timed.
    std::vector<typename Workload::result> results_of(const case_type& spec, bool trace) {
        results_.clear();
        flights_.clear();
        process_.send({{"request", "write"},
                       {"results", results_.path()},
                       {"flights", trace ? flights_.path() : ""}});
        process_.receive_true("written");
        return results_.template read<typename Workload::result>(Workload::result_count(spec),
                                                                 "results");
    }

    void report_flights(const case_type& spec, double wall_s) {
        const auto intervals =
            flights_.template read<flight_interval>(Workload::flights(spec), "flights");
        check_flights(intervals, wall_s);
        const flight_summary all = summarize(intervals);
        check_overlap(spec, all);
        line_.report("flights", {{"lifetimes_s", all.lifetimes_s},
                                 {"peak_in_flight", static_cast<double>(all.peak)}});
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

    /// Tasks that wait are in flight for as long as they wait, and overlap.
    void check_overlap(const case_type& spec, const flight_summary& all) {
        constexpr double of_two_clocks = 0.99;
        const double least_s = Workload::least_lifetimes_s(spec);
        if (all.lifetimes_s < least_s * of_two_clocks) {
            throw wrong_result("tasks were in flight for " + std::to_string(all.lifetimes_s) +
                               " s all together, expected " + std::to_string(least_s));
        }
        const std::size_t tasks = Workload::tasks(spec);
        const std::size_t possible = std::min(tasks, process_.task_limit());
        const std::size_t least = Workload::least_in_flight(spec, possible);
        if (all.peak < least) {
            throw wrong_result("ran at most " + std::to_string(all.peak) + " of " +
                               std::to_string(tasks) + " tasks at once, expected " +
                               std::to_string(least));
        }
    }

    session& line_;
    const case_type spec_;
    const double timeout_s_;
    const std::size_t cores_ = available_cores();
    Workload work_;
    shared_file results_;
    shared_file flights_;
    peer_process process_;
};

/// The row of one case on one peer, if it was chosen.
template <class Workload>
void add_peer_row(const typename Workload::case_type& spec, const peer& which,
                  const options& chosen, std::vector<row>& into) {
    if (!chosen.wants("", which.name)) return;
    row made = plain_row<Workload>(spec, which.name);
    if (!chosen.wants_row(made.name)) return;
    made.language = which.language;
    made.model = which.model;
    made.version = which.version;
    made.skip = which.skip;
    made.uses_processes = which.model == "processes";
    made.expected_s = Workload::expected_s(spec, which.task_limit);
    made.can_weigh =
        Workload::can_weigh(spec, made.uses_processes) && which.task_limit >= made.tasks;
    if (made.skip.empty() && made.expected_s > chosen.budget_s) {
        made.skip = "would take " + std::to_string(std::llround(made.expected_s)) + " s";
    }
    const double timeout_s = chosen.measuring.timeout_s;
    made.body = [spec, which, timeout_s](session& line) {
        hold_to_cores(spec.cores);
        measured_peer<Workload>(line, spec, which, timeout_s).measure();
    };
    into.push_back(std::move(made));
}

/// The rows of one case on all peers that were chosen.
template <class Workload>
void add_peer_rows(const typename Workload::case_type& spec, const options& chosen,
                   std::vector<row>& into) {
    for (const peer& each : chosen.peers) add_peer_row<Workload>(spec, each, chosen, into);
}

}  // namespace overlap::bench
