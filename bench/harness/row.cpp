#include "bench/harness/row.hpp"

#include "bench/harness/child.hpp"

#include <overlap/core/cores.hpp>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <sstream>
#include <unistd.h>
#include <utility>

namespace overlap::bench {

namespace {

using nlohmann::json;

/// How long echo_load waits for any answer at all, in a row that may take twice as long. A server that
/// serves one connection after another keeps answering on one of them.
constexpr double silence_s = 10;
constexpr std::chrono::seconds last_words_patience{1};
/// What the measuring process uses beside the run while its CPU time is taken, at most.
constexpr double harness_cpu_s = 0.001;

double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    if (values.size() % 2 == 1) return *middle;
    return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

counters medians(const std::vector<counters>& runs) {
    std::map<std::string, std::vector<double>> by_name;
    for (const auto& run : runs) {
        for (const auto& [name, value] : run) by_name[name].push_back(value);
    }
    counters found;
    for (auto& [name, values] : by_name) found[name] = median(std::move(values));
    return found;
}

/// What follows from a run's figures. The processor's time was counted over `counted_s` seconds, which
/// are not those of the wall clock where a load's or a peer's own clock gives these.
void complete(counters& figures, const row& what, double counted_s) {
    const auto items = static_cast<double>(what.work_items);
    if (!figures.contains("cpu_s")) figures["cpu_s"] = figures["user_s"] + figures["system_s"];
    figures["parallelism"] = figures["cpu_s"] / counted_s;
    figures["tasks_per_s"] = items / figures["wall_s"];
    figures["wall_per_task_s"] = figures["wall_s"] / items;
    figures["cpu_per_task_s"] = figures["cpu_s"] / items;
}

class measurement {
public:
    measurement(const row& what, const measuring_options& options)
        : row_(what), options_(options), patience_(std::chrono::duration_cast<clock::duration>(
                                             std::chrono::duration<double>(options.timeout_s))) {}

    outcome run() {
        outcome found;
        try {
            measure_time(found);
            if (options_.memory && row_.has_memory) try_to_measure_memory(found);
        } catch (const timed_out&) {
            std::ostringstream words;
            words << "timeout: not done after " << options_.timeout_s << " s";
            found.error = words.str();
        } catch (const std::exception& error) {
            found.error = error.what();
        }
        return found;
    }

private:
    struct load_found {
        counters figures;
        std::string gates;
    };

    /// A run of the whole case.
    struct full_run {
        counters figures;
        std::string gates;
        double counted_s = 0;  ///< For which the processor's time was counted.
        double beside_s = 0;   ///< Of the processor's time, what may not be the run's.
    };

    void measure_time(outcome& found) {
        child process(options_.trace ? purpose::measure_trace : purpose::measure, {}, row_.body);
        std::optional<full_run> cold;
        std::vector<full_run> later;
        counters traced;
        const auto begin = clock::now();
        auto last_iteration = begin;
        const auto deadline = clock::now() + patience_;
        while (const auto message = process.receive(deadline)) {
            const std::string kind = message->at("kind");
            if (kind == "error") throw std::runtime_error(message->at("words"));
            if (kind == "ready") {
                load_ = load_for(process, *message, deadline);
                continue;
            }
            auto figures = message->at("figures").get<counters>();
            const auto counted = figures.extract("counted_s");
            const double counted_s = counted ? counted.mapped() : figures["wall_s"];
            const auto rounded = figures.extract("cpu_rounded_s");
            // Spans are averaged over the time that the server ran, which began before the
            // load's clock did.
            if (kind == "traced") traced["wall_s"] = figures.at("wall_s");
            for (const auto& [name, value] : load_.figures) figures[name] = value;
            const std::string gates = std::exchange(load_, {}).gates;
            if (kind == "cold" || kind == "iteration") {
                last_iteration = clock::now();
                complete(figures, row_, counted_s);
                const double beside_s = rounded ? rounded.mapped() : harness_cpu_s;
                full_run run{std::move(figures), gates, counted_s, beside_s};
                if (kind == "cold") {
                    cold = std::move(run);
                } else {
                    later.push_back(std::move(run));
                }
            } else if (kind == "traced" || kind == "flights") {
                traced.merge(figures);
            }
        }
        expect_plain_end(process);
        take_runs(found, cold, std::move(later));
        found.figures["sample_s"] = std::chrono::duration<double>(last_iteration - begin).count();
        if (!traced.empty()) {
            found.figures["concurrency"] = traced.at("spans_s") / traced.at("wall_s");
            expect_possible(found.figures.at("concurrency"), "tasks in flight", row_.tasks);
            found.figures["peak_in_flight"] = traced.at("peak_in_flight");
        }
        found.figures["verified"] = 1;
        if (!found.gates.empty()) leave_out_latencies(found.figures);
    }

    /// Where there is but one run, it is the first one, and its figures are the sample's all the same.
    void take_runs(outcome& found, const std::optional<full_run>& cold,
                   std::vector<full_run> later) const {
        const std::size_t later_runs = later.size();
        if (later.empty() && cold) later.push_back(*cold);
        if (later.size() != row_.iterations) throw std::runtime_error("failed: ended too early");
        std::vector<counters> counted;
        for (full_run& run : later) {
            expect_possible(std::max(0.0, run.figures.at("cpu_s") - run.beside_s) / run.counted_s,
                            "cores kept busy", row_.cores != 0 ? row_.cores : available_cores());
            found.walls_s.push_back(run.figures.at("wall_s"));
            if (!run.gates.empty()) found.gates = run.gates;
            counted.push_back(std::move(run.figures));
        }
        found.figures = medians(counted);
        if (!cold) return;
        found.figures["later_runs"] = static_cast<double>(later_runs);
        if (later_runs != 0 && !cold->gates.empty()) return;
        found.figures["cold_wall_s"] = cold->figures.at("wall_s");
        found.figures["cold_cpu_per_task_s"] = cold->figures.at("cpu_per_task_s");
    }

    static void leave_out_latencies(counters& figures) {
        std::erase_if(figures, [](const auto& each) {
            return each.first.starts_with("latency_") || each.first == "slowest_connection_ratio";
        });
    }

    /// Averages that no clock's error makes possible.
    static void expect_possible(double average, const char* of_what, std::size_t most) {
        constexpr double tolerance = 0.02;
        if (average <= static_cast<double>(most) * (1 + tolerance)) return;
        std::ostringstream words;
        words << "wrong: " << average << ' ' << of_what << " on average, of " << most;
        throw std::runtime_error(words.str());
    }

    static void expect_plain_end(child& process) {
        const std::string end = process.end();
        if (!end.empty()) throw std::runtime_error("failed: the measuring process " + end);
    }

    [[nodiscard]] bool had_all_in_flight(const outcome& found) const {
        const auto peak = found.figures.find("peak_in_flight");
        return peak == found.figures.end() || peak->second >= static_cast<double>(row_.tasks);
    }

    /// What was measured before is worth keeping when this fails.
    void try_to_measure_memory(outcome& found) {
        try {
            measure_memory(found);
        } catch (const std::exception& error) {
            std::cerr << row_.name << ": memory was not measured: " << error.what() << '\n';
        }
    }

    /// Memory of all tasks, and of one as a slope over three sizes, each in a fresh process. Tasks
    /// that are not all in flight at once share memory: they get longer sleeps if they can, or there
    /// is no memory a task.
    void measure_memory(outcome& found) {
        const bool were_in_flight = had_all_in_flight(found);
        memory_run how;
        if (!were_in_flight && row_.can_stretch) {
            // The shorter a run is, the more chance has to do with how long it takes.
            how.least_delay_s = std::max(2 * found.figures.at("wall_s"), 1.0);
        }
        const memory_peak all = measure_all_tasks(how);
        found.figures["peak_memory_bytes"] = all.bytes;
        if (!were_in_flight && !row_.can_stretch) return;
        const auto peak_with = [&](std::size_t quarters) {
            how.quarters = quarters;
            const memory_found run = run_for_memory(how);
            expect_all_in_flight(run, how);
            const std::size_t tasks = row_.tasks * quarters / 4;
            return memory_peak{static_cast<double>(tasks), run.bytes};
        };
        const memory_peak few = peak_with(2);
        const auto slope = bytes_per_task({few, peak_with(3), all});
        if (slope) found.figures["bytes_per_task"] = *slope;
    }

    struct memory_found {
        double bytes = 0;
        double wall_s = 0;
    };

    /// No task ends before its delay is over, and none begins later than its delay before the end of
    /// the run: in less than two delays, all have begun before the first one ends. Sleeps that are as
    /// long as the case says need no such proof.
    static bool surely_in_flight(const memory_found& run, const memory_run& how) {
        return how.least_delay_s == 0 || run.wall_s < 2 * how.least_delay_s;
    }

    static void expect_all_in_flight(const memory_found& run, const memory_run& how) {
        if (surely_in_flight(run, how)) return;
        std::ostringstream words;
        words << "sleeps of " << how.least_delay_s
              << " s are too short for all tasks to be in flight, since all took " << run.wall_s
              << " s";
        throw std::runtime_error(words.str());
    }

    /// Makes the sleeps longer until all tasks are in flight: the more of them there are at once, the
    /// longer a backend may take for each, so how long is enough shows only when it is tried.
    memory_peak measure_all_tasks(memory_run& how) {
        constexpr int tries = 3;
        memory_found run = run_for_memory(how);
        for (int i = 1; i < tries && !surely_in_flight(run, how); ++i) {
            how.least_delay_s = 2 * (run.wall_s - how.least_delay_s);
            run = run_for_memory(how);
        }
        expect_all_in_flight(run, how);
        return {static_cast<double>(row_.tasks), run.bytes};
    }

    memory_found run_for_memory(const memory_run& how) {
        child process(purpose::measure_memory, how, row_.body);
        const auto deadline = clock::now() + patience_;
        double most = 0;
        const auto sample = [&] { most = std::max(most, tree_memory_bytes(process.pid())); };
        const auto meanwhile = row_.uses_processes ? std::function<void()>(sample) : nullptr;
        counters figures;
        while (const auto message = process.receive(deadline, meanwhile)) {
            const std::string kind = message->at("kind");
            if (kind == "error") throw std::runtime_error(message->at("words"));
            if (kind == "ready") load_for(process, *message, deadline);
            if (kind == "memory") figures = message->at("figures").get<counters>();
        }
        expect_plain_end(process);
        if (figures.empty()) throw std::runtime_error("failed: ended too early");
        const double bytes = row_.uses_processes ? most : figures.at("peak_memory_bytes");
        return {bytes, figures.at("wall_s")};
    }

    /// The figures of the load; when it fails, what the server has to say of that comes first.
    load_found load_for(child& server, const json& ready, clock::time_point deadline) {
        try {
            return generate_load(ready, deadline);
        } catch (const timed_out&) {
            throw;
        } catch (const std::exception& error) {
            const std::string loads_words = error.what();
            try {
                const auto last = server.receive(clock::now() + last_words_patience);
                if (last && last->at("kind") == "error") {
                    throw std::runtime_error(
                        of_both(last->at("words").get<std::string>(), loads_words));
                }
                if (!last) expect_plain_end(server);
            } catch (const timed_out&) {
                // The server hangs, or waits for connections that will not come.
                throw std::runtime_error(loads_words);
            }
            throw std::runtime_error(loads_words);
        }
    }

    /// A stranger who connects takes the place of one of the load's connections: then a task has echoed
    /// too little, the load misses an answer, and neither is the server's doing. The row is tried again.
    static std::string of_both(const std::string& servers_words, const std::string& loads_words) {
        const std::string wrong = "wrong: ";
        if (!servers_words.starts_with(wrong) || loads_words.starts_with(wrong)) {
            return servers_words + " (" + loads_words + ")";
        }
        return "failed: " + servers_words.substr(wrong.size()) + " (" + loads_words +
               "); has somebody else connected?";
    }

    /// Has echo_load send the messages that a server in the measuring process is waiting for.
    load_found generate_load(const json& ready, clock::time_point deadline) {
        const auto told = [&](const char* name) {
            return std::to_string(ready.at(name).get<std::size_t>());
        };
        std::vector<std::string> request{
            options_.load_binary,
            "--json",
            "--port",
            told("port"),
            "--connections",
            told("connections"),
            "--messages",
            told("messages"),
            "--bytes",
            told("bytes"),
            "--at-once",
            told("at_once"),
            "--timeout",
            std::to_string(std::min(options_.timeout_s / 2, silence_s))};
        if (ready.at("rate") != 0) {
            request.insert(request.end(), {"--rate", told("rate"), "--arrivals",
                                           ready.at("arrivals").get<std::string>()});
        }
        if (ready.at("work") != 0) {
            request.insert(request.end(), {"--work", told("work"), "--one-in", told("one_in")});
        }
        program load(request);
        const auto result = load.finish(deadline);
        if (const std::string end = describe_end(result.status); !end.empty()) {
            const std::string said = result.errors.substr(0, result.errors.find('\n'));
            const std::string name = "echo_load: ";
            for (const char* words : {"limit: ", "overloaded: "}) {
                if (said.starts_with(name + words)) {
                    throw std::runtime_error(said.substr(name.size()));
                }
            }
            throw std::runtime_error("failed: " + (said.empty() ? "echo_load " + end : said));
        }
        const json report = json::parse(result.output);
        if (report.at("verified") != 1) throw std::runtime_error("wrong: bytes that came back");
        load_found found;
        counters& figures = found.figures;
        for (const char* name :
             {"wall_s", "latency_p50_s", "latency_p99_s", "latency_p999_s", "latency_p9999_s",
              "latency_max_s", "latency_mean_s", "offered_per_s", "answered_share",
              "send_lateness_p99_s", "slowest_connection_ratio"}) {
            if (report.contains(name)) figures[name] = report.at(name);
        }
        for (const auto& gate : report.at("gates")) {
            found.gates += (found.gates.empty() ? "" : "; ") + gate.get<std::string>();
        }
        figures["generator_cpu_s"] = report.at("cpu_s");
        figures["generator_bound"] = report.at("generator_bound") == true ? 1 : 0;
        figures["little_error"] = report.at("little_error");
        return found;
    }

    const row& row_;
    const measuring_options& options_;
    clock::duration patience_;
    load_found load_;
};

}  // namespace

std::optional<double> bytes_per_task(const std::array<memory_peak, 3>& peaks) {
    const auto& [few, more, all] = peaks;
    const double first = (more.bytes - few.bytes) / (more.tasks - few.tasks);
    const double second = (all.bytes - more.bytes) / (all.tasks - more.tasks);
    const auto [less, most] = std::minmax(first, second);
    if (less <= 0 || most > 2 * less) return std::nullopt;
    const double mean_tasks = (few.tasks + more.tasks + all.tasks) / 3;
    double covariance = 0;
    double variance = 0;
    for (const memory_peak& each : peaks) {
        covariance += (each.tasks - mean_tasks) * each.bytes;
        variance += (each.tasks - mean_tasks) * (each.tasks - mean_tasks);
    }
    return covariance / variance;
}

outcome measure(const row& what, const measuring_options& options) {
    return measurement(what, options).run();
}

}  // namespace overlap::bench
