// From a workload and a backend to rows: which can run here, and what their processes do.
#pragma once

#include "bench/harness/answers.hpp"
#include "bench/harness/backends.hpp"
#include "bench/harness/child.hpp"
#include "bench/harness/flights.hpp"
#include "bench/harness/main_program.hpp"
#include "bench/harness/options.hpp"
#include "bench/harness/plugged_loop.hpp"
#include "bench/harness/row.hpp"
#include "bench/harness/session.hpp"
#include "bench/workloads/workload.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
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

/// Whether a run can be traced, and whether tasks take turns on a thread.
struct tracing {
    bool possible = false;
    bool takes_turns = false;
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

    /// `run(work, given, seed, log)` returns the results of one run.
    template <class Run>
    void measure(const std::function<process_usage()>& usage, Run run, std::size_t task_limit,
                 const tracing& traced) {
        task_limit_ = task_limit;
        if (line_.why() == purpose::measure_memory) return measure_memory(run);
        no_log nothing;
        const double once_s = measure_once("warm_up", 1, warm_up_, usage, run, nothing);
        const std::size_t repeat = repetitions(given_.repeat, once_s);
        for (std::size_t i = 0; i < given_.iterations; ++i) {
            measure_once("iteration", repeat, given_, usage, run, nothing);
        }
        if (line_.why() != purpose::measure_trace || !traced.possible) return;
        measure_once("traced", 1, given_, usage, run, log_);
        const flight_summary all = log_.summary();
        if (traced.takes_turns) {
            expect_at_once(all, given_.task_count(),
                           least_at_once<Workload>(given_, task_limit, true));
        }
        line_.report("flights", all.figures());
    }

private:
    template <class Run>
    void measure_memory(Run& run) {
        no_log nothing;
        work_.begin(line_, for_memory_, task_limit_);
        work_.before_run();
        const auto start = clock::now();
        const std::uint32_t seed = seeds_.next();
        const run_answers<Workload> answers{{}, run(work_, for_memory_, seed, nothing)};
        const double wall_s = seconds_since(start);
        const double peak = peak_memory_bytes();
        static_cast<void>(check_all(work_, for_memory_, seed, answers, wall_s));
        line_.report("memory", {{"peak_memory_bytes", peak}, {"wall_s", wall_s}});
    }

    template <class Run, class Log>
    double measure_once(const std::string& label, std::size_t repeat, const case_type& given,
                        const std::function<process_usage()>& usage, Run& run, Log& log) {
        work_.begin(line_, given, task_limit_);
        const std::uint32_t seed = seeds_.next();
        work_.before_run();
        run_answers<Workload> answers;
        answers.sums.resize(repeat - 1);
        const auto once = [&](std::uint32_t from) { return run(work_, given, from, log); };
        return line_.run(
            label, repeat, usage, [&] { run_all<Workload>(given, seed, once, answers); },
            [&](double wall_s) { return check_all(work_, given, seed, answers, wall_s); });
    }

    session& line_;
    const case_type given_;
    const case_type warm_up_;
    const case_type for_memory_;
    run_seeds seeds_;
    flight_log log_;
    Workload work_;
    std::size_t task_limit_ = 0;
};

/// What a row's process does when the row is on a runtime.
template <workload Workload, class Backend>
std::function<void(session&)> body_of(const typename Workload::case_type& given,
                                      const Backend& backend) {
    return [given, backend](session& line) {
        hold_to_cores(given.cores);
        measured_case<Workload> measured(line, given);
        backend.with_runtime([&](auto& runtime) {
            measured.measure([&] { return usage_with(runtime); },
                             [&](auto& work, const auto& which, std::uint32_t seed, auto& log) {
                                 return run_root(
                                     runtime, [&] { return work.root(runtime, which, seed, log); });
                             },
                             runtime.task_limit(), {true, Backend::takes_turns});
            return 0;
        });
    };
}

/// How many tasks a backend has in flight at once at most, found out in a process of its own since
/// it takes making the runtime. Throws std::runtime_error with the reason when it cannot be made.
template <class Backend>
std::size_t probed_task_limit(const Backend& backend, std::size_t cores) {
    child probe(purpose::measure_memory, {}, [&](session& line) {
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

/// The same, once for each number of cores.
template <class Backend>
std::size_t probe_task_limit(const Backend& backend, std::size_t cores) {
    static std::map<std::pair<std::string, std::size_t>, std::size_t> known;
    const std::pair key(backend.summary().name, cores);
    const auto found = known.find(key);
    if (found != known.end()) return found->second;
    return known[key] = probed_task_limit(backend, cores);
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
    made.iterations = given.iterations;
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

/// Why a run that needs so many tasks in flight at once has no row, in words; empty: it has one.
inline std::string why_beyond(std::size_t task_limit, std::size_t tasks) {
    if (tasks <= task_limit) return {};
    return "limit: at most " + std::to_string(task_limit) + " tasks at once here, needs " +
           std::to_string(tasks);
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
    try {
        if (!summary.here) throw std::runtime_error("not available: " + summary.here.reason);
        const std::size_t limit = probe_task_limit(backend, given.cores);
        made.skip = Workload::cannot_run(given, backend);
        if (Backend::beyond_limit == overflow::fails && made.skip.empty()) {
            made.skip = why_beyond(limit, made.tasks);
        }
        foresee<Workload>(made, given, limit, chosen);
    } catch (const std::runtime_error& error) {
        made.skip = error.what();
    }
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
        measured.measure(usage_so_far,
                         [&](auto& work, const auto& which, std::uint32_t seed, auto&) {
                             return run(work, which, seed);
                         },
                         unlimited, {});
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
