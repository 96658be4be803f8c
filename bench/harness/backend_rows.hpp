// From a workload and a backend to rows: which can run here, and what their processes do.
//
// A workload is a class with
//   case_type                      the cases it has
//   unit                           what per-task figures are divided by
//   work_items(spec)               how many of them a run does
//   tasks(spec)                    the tasks that a run may have in flight at once
//   flights(spec)                  how many tasks a traced run records
//   expected_s(spec, task_limit)   how long a run takes, roughly, or 0
//   warm_up(spec), traced(spec), cut_down(spec, weighing)   variants of a case
// made from a case, in the measuring process and before the runtime is. Its object has
//   begin(line, spec, limit)       called before each run; so many tasks can be in flight at once
//   root(runtime, spec, log)       the root task in the runtime's colour
//   check(spec, results, wall_s)   the workload's own counters; throws wrong_result
// and the class itself
//   cases(specification)           its cases in a workload file
//   result, result_count(spec)     what a run returns, in an array of so many
//   can_stretch(spec)              if there is one: whether cut_down can make its sleeps longer
//   to_json(spec)                  a case as peers are told it
//   least_in_flight(spec, n)       how many tasks are so at once if a runtime can have n of them
//   least_lifetimes_s(spec)        what its tasks wait all together
//   add_rows(spec, options, rows)  the rows of a case on floors, built-in backends and plugged-in
//                                  loops; compiled once, where the workload is
#pragma once

#include "bench/harness/backends.hpp"
#include "bench/harness/child.hpp"
#include "bench/harness/flights.hpp"
#include "bench/harness/main_program.hpp"
#include "bench/harness/options.hpp"
#include "bench/harness/plugged_loop.hpp"
#include "bench/harness/row.hpp"
#include "bench/harness/session.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace overlap::bench {

/// As many repetitions as the case allows, but no more than take a twentieth of a second: some
/// backends need a thousand times as long as others for one.
inline std::size_t repetitions(std::size_t most, double once_s) {
    constexpr double enough_s = 0.05;
    if (once_s * static_cast<double>(most) <= enough_s) return most;
    return std::max<std::size_t>(static_cast<std::size_t>(enough_s / once_s), 1);
}

/// One row's measuring process. All it holds exists before the runtime does, since workers that are
/// forked see the memory of that moment.
template <class Workload>
class measured_case {
public:
    using case_type = typename Workload::case_type;

    measured_case(session& line, const case_type& spec)
        : line_(line), spec_(spec), warm_up_(Workload::warm_up(spec)),
          traced_(Workload::traced(spec)), cut_down_(Workload::cut_down(spec, line.how_to_weigh())),
          log_(line.why() == purpose::measure_trace ? Workload::flights(traced_) : 0), work_(spec) {
    }

    /// `run(work, spec, log)` returns the results of one run.
    template <class Run>
    void measure(const std::function<process_usage()>& usage, Run run, std::size_t task_limit,
                 bool can_trace) {
        task_limit_ = task_limit;
        if (line_.why() == purpose::weigh) return weigh(run);
        no_log nothing;
        const double once_s = measure_once("warm_up", 1, warm_up_, usage, run, nothing);
        const std::size_t repeat = repetitions(spec_.repeat, once_s);
        for (std::size_t i = 0; i < spec_.iterations; ++i) {
            measure_once("iteration", repeat, spec_, usage, run, nothing);
        }
        if (line_.why() != purpose::measure_trace || !can_trace) return;
        measure_once("traced", 1, traced_, usage, run, log_);
        const flight_summary flights = log_.summary();
        line_.report("flights", {{"lifetimes_s", flights.lifetimes_s},
                                 {"peak_in_flight", static_cast<double>(flights.peak)}});
    }

private:
    template <class Run>
    void weigh(Run& run) {
        no_log nothing;
        work_.begin(line_, cut_down_, task_limit_);
        const auto start = clock::now();
        const auto results = run(work_, cut_down_, nothing);
        const double wall_s = std::chrono::duration<double>(clock::now() - start).count();
        const double peak = peak_memory_bytes();
        static_cast<void>(work_.check(cut_down_, results, wall_s));
        line_.report("weight", {{"peak_memory_bytes", peak}, {"wall_s", wall_s}});
    }

    template <class Run, class Log>
    double measure_once(const std::string& label, std::size_t repeat, const case_type& spec,
                        const std::function<process_usage()>& usage, Run& run, Log& log) {
        work_.begin(line_, spec, task_limit_);
        decltype(run(work_, spec, log)) results;
        return line_.run(
            label, repeat, usage,
            [&] {
                for (std::size_t i = 0; i < repeat; ++i) results = run(work_, spec, log);
            },
            [&](double wall_s) { return work_.check(spec, results, wall_s); });
    }

    session& line_;
    const case_type spec_;
    const case_type warm_up_;
    const case_type traced_;
    const case_type cut_down_;
    flight_log log_;
    Workload work_;
    std::size_t task_limit_ = 0;
};

/// What a row's process does when the row is on a runtime.
template <class Workload, class Backend>
std::function<void(session&)> body_of(const typename Workload::case_type& spec,
                                      const Backend& backend) {
    return [spec, backend](session& line) {
        hold_to_cores(spec.cores);
        measured_case<Workload> measured(line, spec);
        backend.with_runtime([&](auto& runtime) {
            measured.measure([&] { return usage_with(runtime); },
                             [&](auto& work, const auto& which, auto& log) {
                                 return run_root(runtime,
                                                 [&] { return work.root(runtime, which, log); });
                             },
                             runtime.task_limit(), true);
            return 0;
        });
    };
}

/// The same for a floor: `run(work, spec)`.
template <class Workload, class Run>
std::function<void(session&)> floor_body_of(const typename Workload::case_type& spec, Run run) {
    return [spec, run](session& line) {
        hold_to_cores(spec.cores);
        measured_case<Workload> measured(line, spec);
        const auto usage = [] {
            process_usage sum = usage_of(RUSAGE_SELF);
            sum += usage_of(RUSAGE_CHILDREN);
            return sum;
        };
        measured.measure(
            usage, [&](auto& work, const auto& which, auto&) { return run(work, which); },
            unlimited, false);
    };
}

/// How many tasks a backend has in flight at once at most, found out in a process of its own since
/// it takes making the runtime. Throws std::runtime_error with the reason when it cannot be made.
template <class Backend>
std::size_t probe_task_limit(const Backend& backend, std::size_t cores) {
    child probe(purpose::weigh, {}, [&](session& line) {
        hold_to_cores(cores);
        const std::size_t limit =
            backend.with_runtime([](auto& runtime) { return runtime.task_limit(); });
        line.report("limit", {{"tasks", static_cast<double>(limit)}});
    });
    const auto message = probe.receive(clock::now() + std::chrono::seconds(10));
    if (!message) throw std::runtime_error("failed: its runtime cannot be made: " + probe.end());
    if (message->at("kind") == "error") throw std::runtime_error(message->at("words"));
    const double limit = message->at("figures").at("tasks");
    return limit >= static_cast<double>(unlimited) ? unlimited : static_cast<std::size_t>(limit);
}

template <class Workload>
row plain_row(const typename Workload::case_type& spec, const std::string& backend) {
    row made;
    made.workload = Workload::case_type::workload;
    made.case_name = spec.name;
    made.backend = backend;
    made.name = made.workload + "/" + made.case_name + "/" + made.backend;
    made.tasks = Workload::tasks(spec);
    made.work_items = Workload::work_items(spec);
    made.unit = Workload::unit;
    made.iterations = spec.iterations;
    if constexpr (requires { spec.bytes; }) made.message_bytes = spec.bytes;
    if constexpr (requires { Workload::can_stretch(spec); }) {
        made.can_stretch = Workload::can_stretch(spec);
    }
    return made;
}

/// Memory is a slope over sizes of the case, and means something from so many tasks on.
inline constexpr std::size_t least_tasks_to_weigh = 1000;

/// Decides, before anything runs, whether the row can.
template <class Workload, class Backend>
row backend_row(const typename Workload::case_type& spec, const Backend& backend,
                const backend_summary& summary, const options& chosen) {
    row made = plain_row<Workload>(spec, summary.name);
    made.body = body_of<Workload>(spec, backend);
    made.uses_processes = Backend::uses_processes;
    if (!summary.here) {
        made.skip = "not available: " + summary.here.reason;
        return made;
    }
    std::size_t limit = 0;
    try {
        limit = probe_task_limit(backend, spec.cores);
    } catch (const std::runtime_error& error) {
        made.skip = error.what();
        return made;
    }
    made.expected_s = Workload::expected_s(spec, limit);
    made.can_weigh = Workload::can_weigh(spec, made.uses_processes) && limit >= made.tasks;
    std::ostringstream words;
    if (Backend::beyond_limit == overflow::fails && made.tasks > limit) {
        words << "limit: at most " << limit << " tasks at once here, needs " << made.tasks;
    } else if (made.expected_s > chosen.budget_s) {
        words << "would take " << std::llround(made.expected_s) << " s";
    }
    made.skip = words.str();
    return made;
}

/// The row of one case on one backend, if it was chosen.
template <class Workload, class Backend>
void add_backend_row(const typename Workload::case_type& spec, const Backend& backend,
                     const options& chosen, std::vector<row>& into) {
    const backend_summary summary = backend.summary();
    if (!chosen.wants(summary.loop, summary.name)) return;
    if (!chosen.wants_row(plain_row<Workload>(spec, summary.name).name)) return;
    into.push_back(backend_row<Workload>(spec, backend, summary, chosen));
}

/// The rows of one case on the built-in backends and on plugged-in loops.
template <class Workload>
void add_backend_rows(const typename Workload::case_type& spec, const options& chosen,
                      std::vector<row>& into) {
    const auto add = [&](const auto& backend) {
        add_backend_row<Workload>(spec, backend, chosen, into);
    };
    built_in_backends::for_each(add);
    for (const plugged_loop& loop : chosen.plugged_loops) for_each_backend_on(loop, add);
}

/// The main program of a workload's binary: the rows that Workload::add_rows makes of each case,
/// and those of `Extra`, a backend_list. Returns the exit status.
template <class Workload, class Extra>
int run_workload(int argc, char** argv) {
    const row_maker make_rows = [](const specification& spec, const options& chosen) {
        std::vector<row> rows;
        for (const auto& each : Workload::cases(spec)) {
            Workload::add_rows(each, chosen, rows);
            Extra::for_each([&](const auto& backend) {
                add_backend_row<Workload>(each, backend, chosen, rows);
            });
        }
        return rows;
    };
    return run_suite(argc, argv, Workload::case_type::workload, summaries<Extra>(), make_rows);
}

}  // namespace overlap::bench
