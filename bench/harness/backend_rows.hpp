// From a workload and a backend to rows: which can run here, and what their processes do.
#pragma once

#include "bench/harness/answers.hpp"
#include "bench/harness/backends.hpp"
#include "bench/harness/flights.hpp"
#include "bench/harness/full_runs.hpp"
#include "bench/harness/main_program.hpp"
#include "bench/harness/options.hpp"
#include "bench/harness/plugged_loop.hpp"
#include "bench/harness/row.hpp"
#include "bench/harness/session.hpp"
#include "bench/harness/task_limit.hpp"
#include "bench/workloads/workload.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
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

/// The results of one run of `given`, whose tasks hold what `log.enter()` returns.
template <workload Workload, class Log>
using run_function = std::function<std::vector<typename Workload::result>(
    Workload& work, const typename Workload::case_type& given, std::uint32_t seed, Log& log)>;

/// What a row runs: all that the harness knows of its backend, so that it measures every backend with
/// the same instructions, and they are compiled once.
template <workload Workload>
struct backend_run {
    run_function<Workload, no_log> plain;
    run_function<Workload, flight_log> traced;  ///< The same with a trace; empty: there is none.
    std::function<process_usage()> usage;       ///< Of the process and its children so far.
    std::size_t task_limit = unlimited;
    bool takes_turns = false;  ///< Tasks do, on a thread; see least_at_once().
};

/// One row's measuring process. All it holds exists before the runtime does, since workers that are
/// forked see the memory of that moment.
template <workload Workload>
class measured_case {
public:
    using case_type = typename Workload::case_type;

    measured_case(session& line, const case_type& given)
        : line_(line), given_(given), warm_up_(Workload::warm_up(given)),
          for_memory_(Workload::for_memory(given, line.memory())),
          log_(line.why() == purpose::measure_trace ? given.task_count() : 0), work_(given) {}

    void measure(const backend_run<Workload>& run) {
        if (line_.why() == purpose::measure_memory) return measure_memory(run);
        no_log nothing;
        const double once_s =
            measure_once(warm_up_label<Workload>(given_), 1, warm_up_, run, run.plain, nothing);
        const std::size_t repeat = repetitions(given_.repeat, once_s);
        for (std::size_t i = 0; i < given_.iterations; ++i) {
            measure_once(iteration_label<Workload>(given_, i), repeat, given_, run, run.plain,
                         nothing);
        }
        if (line_.why() == purpose::measure_trace && run.traced) measure_trace(run);
    }

private:
    void measure_memory(const backend_run<Workload>& run) {
        no_log nothing;
        work_.begin(line_, for_memory_, run.task_limit);
        work_.before_run();
        const auto start = std::chrono::steady_clock::now();
        const std::uint32_t seed = seeds_.next();
        const run_answers<Workload> answers{{}, run.plain(work_, for_memory_, seed, nothing)};
        const double wall_s = seconds_since(start);
        const double peak = peak_memory_bytes();
        static_cast<void>(check_all(work_, for_memory_, seed, answers, wall_s));
        line_.report("memory", {{"peak_memory_bytes", peak}, {"wall_s", wall_s}});
    }

    void measure_trace(const backend_run<Workload>& run) {
        measure_once("traced", 1, given_, run, run.traced, log_);
        const flight_summary all = log_.summary();
        if (run.takes_turns) {
            expect_at_once(all, given_.task_count(),
                           least_at_once<Workload>(given_, run.task_limit, true));
        }
        line_.report("flights", all.figures());
    }

    template <class Log>
    double measure_once(const std::string& label, std::size_t repeat, const case_type& given,
                        const backend_run<Workload>& on, const run_function<Workload, Log>& run,
                        Log& log) {
        work_.begin(line_, given, on.task_limit);
        const std::uint32_t seed = seeds_.next();
        work_.before_run();
        run_answers<Workload> answers;
        answers.sums.resize(repeat - 1);
        const auto once = [&](std::uint32_t from) { return run(work_, given, from, log); };
        return line_.run(
            label, repeat, on.usage, [&] { run_all<Workload>(given, seed, once, answers); },
            [&](double wall_s) { return check_all(work_, given, seed, answers, wall_s); });
    }

    session& line_;
    const case_type given_;
    const case_type warm_up_;
    const case_type for_memory_;
    run_seeds seeds_;
    flight_log log_;
    Workload work_;
};

/// One run on a runtime.
template <workload Workload, class Log, class Runtime>
run_function<Workload, Log> run_on(Runtime& runtime) {
    return [&runtime](Workload& work, const typename Workload::case_type& given, std::uint32_t seed,
                      Log& log) {
        return run_root(runtime, [&] { return work.root(runtime, given, seed, log); });
    };
}

/// What a row's process does when the row is on a runtime.
template <workload Workload, class Backend>
std::function<void(session&)> body_of(const typename Workload::case_type& given,
                                      const Backend& backend) {
    return [given, backend](session& line) {
        hold_to_cores(given.cores);
        measured_case<Workload> measured(line, given);
        backend.with_runtime([&](auto& runtime) {
            measured.measure(
                {run_on<Workload, no_log>(runtime), run_on<Workload, flight_log>(runtime),
                 [&] { return usage_with(runtime); }, runtime.task_limit(), Backend::takes_turns});
            return 0;
        });
    };
}

template <workload Workload>
row plain_row(const typename Workload::case_type& given, const std::string& backend) {
    row made;
    made.workload = Workload::case_type::workload;
    made.case_name = given.name;
    made.backend = backend;
    made.name = made.workload + "/" + made.case_name + "/" + made.backend;
    made.tasks = given.task_count();
    made.work_items = Workload::work_items(given);
    made.unit = Workload::unit;
    made.iterations = counted_runs<Workload>(given);
    made.can_stretch = Workload::can_stretch(given);
    return made;
}

/// The same for a backend that is a program of its own, if it was chosen.
template <workload Workload>
std::optional<row> plain_peer_row(const typename Workload::case_type& given, const peer& which,
                                  const options& chosen) {
    row made = plain_row<Workload>(given, which.name);
    if (!chosen.wants("", which.name) || !chosen.wants_row(made.name)) return std::nullopt;
    made.language = which.language;
    made.model = which.model;
    made.version = which.version;
    made.skip = which.skip;
    return made;
}

/// What follows from how many tasks the backend can have in flight at once.
template <workload Workload>
void foresee(row& made, const typename Workload::case_type& given, std::size_t task_limit,
             const options& chosen) {
    if (Workload::needs_all_in_flight && made.skip.empty()) {
        made.skip = why_beyond(task_limit, made.tasks);
    }
    made.expected_s = Workload::expected_s(given, task_limit);
    made.has_memory = Workload::has_memory(given, made.uses_processes) && task_limit >= made.tasks;
    if (made.skip.empty() && made.expected_s > chosen.budget_s) {
        made.skip = "would take " + std::to_string(std::llround(made.expected_s)) + " s";
    }
}

/// The same on a runtime that `limit` makes, to ask it for its task limit.
template <workload Workload>
void foresee_on(row& made, const typename Workload::case_type& given, overflow beyond_limit,
                const std::function<std::size_t()>& limit, const options& chosen) {
    if (!made.skip.empty()) return;
    try {
        const std::size_t at_once = probe_task_limit(made.backend, given.cores, limit);
        if (beyond_limit == overflow::fails) made.skip = why_beyond(at_once, made.tasks);
        foresee<Workload>(made, given, at_once, chosen);
    } catch (const std::runtime_error& error) {
        made.skip = error.what();
    }
}

/// The row of one case on one backend, if it was chosen. Whether it can run is decided before anything
/// does.
template <workload Workload, class Backend>
void add_backend_row(const typename Workload::case_type& given, const Backend& backend,
                     const options& chosen, std::vector<row>& into) {
    const backend_summary summary = backend.summary();
    if (!chosen.wants(summary.loop, summary.name)) return;
    row made = plain_row<Workload>(given, summary.name);
    if (!chosen.wants_row(made.name)) return;
    made.body = body_of<Workload>(given, backend);
    made.uses_processes = Backend::uses_processes;
    made.skip = summary.here ? Workload::cannot_run(given, backend)
                             : "not available: " + summary.here.reason;
    const auto limit = [&backend] {
        std::size_t tasks = 0;
        backend.with_runtime([&](const auto& runtime) { tasks = runtime.task_limit(); });
        return tasks;
    };
    foresee_on<Workload>(made, given, Backend::beyond_limit, limit, chosen);
    into.push_back(std::move(made));
}

/// The row of one case on a floor, if it was chosen: by its own name, or as all floors are.
/// `run(work, given, seed)` returns what tasks would.
template <workload Workload, class Run>
void add_floor_row(const typename Workload::case_type& given, const backend_summary& floor,
                   const options& chosen, std::vector<row>& into, Run run) {
    if (!chosen.wants(floor.loop, "floor") && !chosen.wants(floor.loop, floor.name)) return;
    row made = plain_row<Workload>(given, floor.name);
    if (!floor.here) made.skip = "not available: " + floor.here.reason;
    foresee<Workload>(made, given, unlimited, chosen);
    made.body = [given, run](session& line) {
        hold_to_cores(given.cores);
        measured_case<Workload> measured(line, given);
        measured.measure({[&](Workload& work, const auto& which, std::uint32_t seed, no_log&) {
                              return run(work, which, seed);
                          },
                          {},
                          usage_so_far});
    };
    into.push_back(std::move(made));
}

/// The main program of a workload's binary: the rows that Workload::add_rows makes of each case,
/// and those of `Extra`, a backend_list (with_loop<my::loop>, with_runtime<my::runtime>), beside
/// them. Returns the exit status.
template <workload Workload, class Extra = no_backends>
int run_workload(int argc, char** argv) {
    using case_type = typename Workload::case_type;
    const auto make_rows = [](const case_file& file, const options& chosen) {
        std::vector<row> rows;
        for (const case_type& each : file.cases<case_type>()) {
            Workload::add_rows(each, chosen, rows);
            Extra::for_each([&](const auto& backend) {
                add_backend_row<Workload>(each, backend, chosen, rows);
            });
        }
        return rows;
    };
    return run_rows(argc, argv, case_type::workload, summaries<Extra>(), make_rows);
}

}  // namespace overlap::bench
