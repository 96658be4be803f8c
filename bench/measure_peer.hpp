// Rows on peers: the same cases, the same receipts and the same figures, from a program that does
// the work on request.
#pragma once

#include "bench/flight_log.hpp"
#include "bench/measure_backend.hpp"
#include "bench/peer.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace overlap::bench {

/// One row's measuring process: the harness's end of a conversation with a peer.
template <class Workload>
class measured_peer {
public:
    using case_type = typename Workload::case_type;

    measured_peer(session& line, const case_type& spec, const peer& which)
        : line_(line), spec_(spec), work_(spec), results_("results"), flights_("flights"),
          process_(which) {}

    void measure() {
        if (line_.why() == purpose::weigh) {
            run_once(Workload::cut_down(spec_, line_.quarters()), 1, false);
            line_.report("weight", {{"peak_memory_bytes", process_.peak_memory_bytes()}});
            return;
        }
        const double once_s = measure_once("warm_up", 1, Workload::warm_up(spec_), false);
        const std::size_t repeat = repetitions(spec_.repeat, once_s);
        for (std::size_t i = 0; i < spec_.iterations; ++i) {
            measure_once("iteration", repeat, spec_, false);
        }
        if (line_.why() != purpose::measure_trace) return;
        const case_type traced = Workload::traced(spec_);
        measure_once("traced", 1, traced, true);
        report_flights(traced);
    }

private:
    struct run_figures {
        double wall_s = 0;
        double cpu_s = 0;
        double answered_s = 0;  ///< From the request to the answer, by our clock.
    };

    /// All repetitions of a run together.
    run_figures run_once(const case_type& spec, std::size_t repeat, bool trace) {
        const double cpu_before = process_.cpu_s();
        const auto start = std::chrono::steady_clock::now();
        process_.send({{"workload", case_type::workload},
                       {"case", Workload::to_json(spec)},
                       {"repeat", repeat},
                       {"results", results_.path()},
                       {"flights", trace ? flights_.path() : ""}});
        nlohmann::json answer = process_.receive();
        if (answer.contains("port")) {
            if constexpr (requires { spec.connections; }) {
                line_.ready_for_load(answer.at("port"), spec.connections, spec.messages);
            }
            answer = process_.receive();
        }
        run_figures found;
        found.answered_s =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        found.cpu_s = process_.cpu_s() - cpu_before;
        found.wall_s = answer.at("wall_s");
        return found;
    }

    double measure_once(const std::string& label, std::size_t repeat, const case_type& spec,
                        bool trace) {
        const run_figures run = run_once(spec, repeat, trace);
        check_plausible(run);
        const auto results = results_.template read<typename Workload::result>(
            Workload::result_count(spec), "results");
        counters figures = work_.check(spec, results, run.wall_s / static_cast<double>(repeat));
        const auto each = static_cast<double>(repeat);
        figures["wall_s"] = run.wall_s / each;
        figures["cpu_s"] = run.cpu_s / each;
        figures["startup_s"] = process_.startup_s();
        line_.report(label, figures);
        return run.wall_s / each;
    }

    /// A clock that runs slow would make a peer fast. What it says that it took is at most what it
    /// was seen to take, and not much less: beside the run it only writes its results down.
    static void check_plausible(const run_figures& run) {
        const double least_s = run.answered_s / 2 - 0.1;
        if (!(run.wall_s > 0) || run.wall_s > run.answered_s || run.wall_s < least_s) {
            throw wrong_result("says that it ran for " + std::to_string(run.wall_s) +
                               " s, but answered after " + std::to_string(run.answered_s) + " s");
        }
    }

    void report_flights(const case_type& spec) {
        const auto intervals =
            flights_.template read<flight_interval>(Workload::flights(spec), "flights");
        for (const flight_interval& each : intervals) {
            if (each.end_ns < each.start_ns) throw wrong_result("a task ended before it began");
        }
        const flight_summary all = summarize(intervals);
        check_overlap(spec, all.peak);
        line_.report("flights", {{"lifetimes_s", all.lifetimes_s},
                                 {"peak_in_flight", static_cast<double>(all.peak)}});
    }

    /// Tasks that wait must overlap as far as the peer says that they can. With very many of them
    /// the first may be done before the last has begun.
    void check_overlap(const case_type& spec, std::size_t peak) {
        constexpr std::size_t few = 1000;
        const std::size_t tasks = Workload::tasks(spec);
        const std::size_t possible = std::min(tasks, task_limit(process_.hello()));
        const std::size_t least = tasks <= few ? possible : std::min<std::size_t>(possible, 2);
        if (Workload::must_overlap(spec) && peak < least) {
            throw wrong_result("ran at most " + std::to_string(peak) + " of " +
                               std::to_string(tasks) + " tasks at once, expected " +
                               std::to_string(least));
        }
    }

public:
    /// How many tasks a peer can have in flight at once, as its first line says.
    static std::size_t task_limit(const nlohmann::json& hello) {
        const auto found = hello.find("task_limit");
        if (found == hello.end() || found->is_null()) return unlimited;
        return found->template get<std::size_t>();
    }

private:
    session& line_;
    const case_type spec_;
    Workload work_;
    shared_file results_;
    shared_file flights_;
    peer_process process_;
};

/// Starts a peer to ask what it can do. Throws std::runtime_error with the reason when it does not
/// start.
inline std::size_t probe_peer(const peer& which) {
    child probe(purpose::weigh, 4, [&](session& line) {
        const peer_process process(which);
        const auto found = process.hello().find("task_limit");
        const bool some = found != process.hello().end() && found->is_number();
        line.report("limit", {{"tasks", some ? found->get<double>() : INFINITY}});
    });
    const auto message = probe.receive(clock::now() + std::chrono::seconds(30));
    if (!message) throw std::runtime_error("failed: it cannot be started: " + probe.end());
    if (message->at("kind") == "error") throw std::runtime_error(message->at("words"));
    const auto& tasks = message->at("figures").at("tasks");
    return tasks.is_null() ? unlimited : tasks.get<std::size_t>();
}

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
    made.body = [spec, which](session& line) {
        hold_to_cores(spec.cores);
        measured_peer<Workload>(line, spec, which).measure();
    };
    if (made.skip.empty()) {
        try {
            const std::size_t limit = probe_peer(which);
            made.expected_s = Workload::expected_s(spec, limit);
            made.can_weigh = Workload::can_weigh(spec, made.uses_processes) && limit >= made.tasks;
            if (made.expected_s > chosen.budget_s) {
                made.skip = "would take " + std::to_string(std::llround(made.expected_s)) + " s";
            }
        } catch (const std::runtime_error& error) {
            made.skip = error.what();
        }
    }
    into.push_back(std::move(made));
}

/// The rows of one case on all peers that were chosen.
template <class Workload>
void add_peer_rows(const typename Workload::case_type& spec, const options& chosen,
                   std::vector<row>& into) {
    for (const peer& each : chosen.peers) add_peer_row<Workload>(spec, each, chosen, into);
}

}  // namespace overlap::bench
