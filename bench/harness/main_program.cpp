#include "bench/harness/main_program.hpp"

#include "overlap_commit.hpp"

#include <benchmark/benchmark.h>
#include <boost/version.hpp>
#include <iostream>
#include <liburing.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <oneapi/tbb/version.h>
#include <string>
#include <sys/utsname.h>

namespace overlap::bench {

namespace {

/// Shows rows under their plain names: Google Benchmark adds "/iterations:1/manual_time".
class plain_names : public benchmark::BenchmarkReporter {
public:
    explicit plain_names(std::unique_ptr<BenchmarkReporter> inner) : inner_(std::move(inner)) {}

    bool ReportContext(const Context& context) override {
        inner_->SetOutputStream(&GetOutputStream());
        inner_->SetErrorStream(&GetErrorStream());
        return inner_->ReportContext(context);
    }

    void ReportRuns(const std::vector<Run>& runs) override {
        std::vector<Run> renamed = runs;
        for (Run& run : renamed) {
            run.run_name.iterations.clear();
            run.run_name.time_type.clear();
        }
        inner_->ReportRuns(renamed);
    }

    void Finalize() override { inner_->Finalize(); }

private:
    std::unique_ptr<BenchmarkReporter> inner_;
};

std::string compiler() {
#if defined(__clang__)
    return "clang " __clang_version__;
#else
    return "g++ " __VERSION__;
#endif
}

/// What the figures depend on beside the case.
std::map<std::string, std::string> context_of(const specification& spec) {
    utsname system{};
    ::uname(&system);
    return {
        {"kernel", std::string(system.sysname) + " " + system.release},
        {"machine", system.machine},
        {"compiler", compiler()},
        {"flags", OVERLAP_FLAGS},
        {"commit", commit},
        {"liburing", OVERLAP_LIBURING_VERSION},
        {"boost", BOOST_LIB_VERSION},
        {"onetbb", std::to_string(TBB_VERSION_MAJOR) + "." + std::to_string(TBB_VERSION_MINOR)},
        {"specification", spec.path},
        {"specification_hash", spec.hash},
    };
}

void print_rows(const std::vector<row>& rows, const specification& spec, const char* workload) {
    nlohmann::json listed = nlohmann::json::array();
    for (const row& each : rows) {
        listed.push_back({{"row", each.name},
                          {"workload", each.workload},
                          {"case", each.case_name},
                          {"backend", each.backend},
                          {"tasks", each.tasks},
                          {"unit", each.unit},
                          {"language", each.language},
                          {"model", each.model},
                          {"version", each.version},
                          {"expected_s", each.expected_s},
                          {"skip", each.skip}});
    }
    std::cout << nlohmann::json{{"workload", workload},
                                {"specification", spec.path},
                                {"context", context_of(spec)},
                                {"rows", listed}}
                     .dump(1)
              << '\n';
}

void run_row(benchmark::State& state, const row& what, const measuring_options& measuring) {
    if (!what.skip.empty()) {
        state.SkipWithError(what.skip.c_str());
        return;
    }
    const outcome found = measure(what, measuring);
    if (!found.error.empty()) {
        state.SkipWithError(found.error.c_str());
        return;
    }
    auto wall = found.walls_s.begin();
    for ([[maybe_unused]] auto iteration : state) state.SetIterationTime(*wall++);
    for (const auto& [name, value] : found.figures) state.counters[name] = value;
}

void run_step(benchmark::State& state, const step_row& what, const measuring_options& measuring) {
    if (!what.skip.empty()) {
        state.SkipWithError(what.skip.c_str());
        return;
    }
    try {
        const double step_s = what.measure(measuring);
        for ([[maybe_unused]] auto iteration : state) state.SetIterationTime(step_s);
        state.SetItemsProcessed(1);
    } catch (const std::exception& error) {
        state.SkipWithError(error.what());
    }
}

/// Gives Google Benchmark its arguments; what neither it nor we know is an error.
void initialize(const char* program, const std::vector<std::string>& arguments) {
    std::vector<char*> words{const_cast<char*>(program)};
    for (const auto& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
    int count = static_cast<int>(words.size());
    words.push_back(nullptr);
    benchmark::Initialize(&count, words.data());
    benchmark::SetBenchmarkFilter(".");  // Rows are chosen by their plain names, before.
    if (count > 1) {
        throw usage_error(std::string("unknown option ") + words[1] + "; --help lists all");
    }
}

/// Runs what is registered. The file reporter needs a wrapper of its own only when it is wanted.
void run_benchmarks(const std::vector<std::string>& arguments) {
    plain_names display{
        std::unique_ptr<benchmark::BenchmarkReporter>{benchmark::CreateDefaultDisplayReporter()}};
    bool to_file = false;
    for (const auto& argument : arguments) {
        to_file = to_file || argument.starts_with("--benchmark_out=");
    }
    for (const auto& argument : arguments) {
        // Google Benchmark makes its own reporters for other formats, and names rows its way.
        const std::string format = "--benchmark_out_format=";
        if (argument.starts_with(format) && argument != format + "json") to_file = false;
    }
    if (to_file) {
        plain_names file(std::make_unique<benchmark::JSONReporter>());
        benchmark::RunSpecifiedBenchmarks(&display, &file);
    } else {
        benchmark::RunSpecifiedBenchmarks(&display);
    }
}

template <class Body>
int with_usage_errors(const char* program, Body body) {
    try {
        return body();
    } catch (const usage_error& error) {
        std::cerr << program << ": " << error.what() << '\n';
    } catch (const specification_error& error) {
        std::cerr << error.what() << '\n';
    }
    return 2;
}

}  // namespace

int run_suite(int argc, char** argv, const char* workload,
              const std::vector<backend_summary>& extra, const row_maker& make_rows) {
    return with_usage_errors(argv[0], [&] {
        std::vector<std::string> arguments(argv + 1, argv + argc);
        const options chosen = take_options(arguments, extra);
        const specification spec = read_specification(chosen.specification);
        std::vector<row> rows = make_rows(spec, chosen);
        std::erase_if(rows, [&](const row& each) { return !chosen.wants_row(each.name); });
        initialize(argv[0], arguments);
        if (chosen.list_rows) {
            print_rows(rows, spec, workload);
            return 0;
        }
        if (rows.empty()) throw usage_error("no row matches; --benchmark_list_tests lists all");
        if (chosen.list_tests) {
            for (const row& each : rows) std::cout << each.name << '\n';
            return 0;
        }
        for (const auto& [key, value] : context_of(spec)) {
            benchmark::AddCustomContext(key, value);
        }
        for (const row& each : rows) {
            benchmark::RegisterBenchmark(
                each.name.c_str(),
                [&](benchmark::State& state) { run_row(state, each, chosen.measuring); })
                ->Iterations(static_cast<benchmark::IterationCount>(each.iterations))
                ->UseManualTime()
                ->Unit(benchmark::kMillisecond);
        }
        run_benchmarks(arguments);
        return 0;
    });
}

int run_steps(int argc, char** argv, const std::vector<backend_summary>& extra,
              const std::function<std::vector<step_row>(const options&)>& make_rows) {
    return with_usage_errors(argv[0], [&] {
        std::vector<std::string> arguments(argv + 1, argv + argc);
        const options chosen = take_options(arguments, extra);
        if (chosen.list_rows) throw usage_error("--list_rows: primitives have no such list");
        initialize(argv[0], arguments);
        std::vector<step_row> rows = make_rows(chosen);
        std::erase_if(rows, [&](const step_row& each) { return !chosen.wants_row(each.name); });
        if (rows.empty()) throw usage_error("no row matches; --benchmark_list_tests lists all");
        if (chosen.list_tests) {
            for (const step_row& each : rows) std::cout << each.name << '\n';
            return 0;
        }
        for (const step_row& each : rows) {
            benchmark::RegisterBenchmark(
                each.name.c_str(),
                [&](benchmark::State& state) { run_step(state, each, chosen.measuring); })
                ->Iterations(1)
                ->UseManualTime();
        }
        run_benchmarks(arguments);
        return 0;
    });
}

}  // namespace overlap::bench
