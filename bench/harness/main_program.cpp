// Google Benchmark drives and formats. What is not done its way is all in this file: it adds
// "/iterations:1/manual_time" to names, and filters and lists by these; here a row has one name, and
// is made only when it is wanted, since whether it can run takes a process to find out.
#include "bench/harness/main_program.hpp"

#include "overlap_commit.hpp"

#include <algorithm>
#include <benchmark/benchmark.h>
#include <boost/version.hpp>
#include <cstdlib>
#include <fcntl.h>
#include <iostream>
#include <liburing.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <oneapi/tbb/version.h>
#include <regex>
#include <stdexcept>
#include <string>
#include <sys/utsname.h>
#include <unistd.h>

namespace overlap::bench {

namespace {

class plain_names : public benchmark::BenchmarkReporter {
public:
    explicit plain_names(BenchmarkReporter* inner) : inner_(inner) {}

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

    void Finalize() override {
        inner_->Finalize();
        lost_ = !GetOutputStream().flush();
    }

    /// Not all that was reported could be written.
    [[nodiscard]] bool lost() const noexcept { return lost_; }

private:
    std::unique_ptr<BenchmarkReporter> inner_;
    bool lost_ = false;
};

/// Takes Google Benchmark's filter out of `arguments`, and whether rows are only to be listed.
bool take_filter(std::vector<std::string>& arguments, options& into) {
    const std::string filter = "--benchmark_filter=";
    const std::string list = "--benchmark_list_tests";
    bool listing = false;
    if (const char* from_environment = std::getenv("BENCHMARK_FILTER")) {
        into.filter = from_environment;
    }
    std::erase_if(arguments, [&](const std::string& argument) {
        if (argument.starts_with(filter)) {
            into.filter = argument.substr(filter.size());
            return true;
        }
        listing = listing || argument == list || argument == list + "=true";
        return argument.starts_with(list);
    });
    if (into.filter == "all") into.filter.clear();  // As Google Benchmark has it.
    constexpr std::size_t longest = 2'000;  // std::regex recurses; ten times more end its stack.
    if (into.filter.size() > longest) {
        throw usage_error(filter + into.filter.substr(0, 40) + "...: expected at most " +
                          std::to_string(longest) + " characters");
    }
    try {
        static_cast<void>(std::regex(into.filter));
    } catch (const std::regex_error&) {
        throw usage_error(filter + into.filter + ": expected a regular expression");
    }
    return listing;
}

/// Gives Google Benchmark its arguments; what neither it nor we know is an error.
void initialize(const char* program, const std::vector<std::string>& arguments) {
    std::vector<char*> words{const_cast<char*>(program)};
    for (const auto& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
    int count = static_cast<int>(words.size());
    words.push_back(nullptr);
    benchmark::Initialize(&count, words.data());
    benchmark::SetBenchmarkFilter(".");
    if (count > 1) {
        throw usage_error(std::string("unknown option ") + words[1] + "; --help lists all");
    }
}

constexpr const char* results_lost = "the results could not all be written: is the disk full?";

/// A descriptor that is closed would be the next one opened, and get what is meant for standard output.
void hold_standard_descriptors() {
    for (int descriptor = 0; descriptor <= STDERR_FILENO; ++descriptor) {
        if (::fcntl(descriptor, F_GETFD) < 0) ::open("/dev/null", O_RDONLY);
    }
}

void run_entry(benchmark::State& state, const entry& what, const measuring_options& how) {
    const outcome found = what.skip.empty() ? what.measure(how) : outcome{what.skip, {}, {}};
    if (!found.error.empty()) return state.SkipWithError(one_line(found.error).c_str());
    auto wall = found.walls_s.begin();
    for ([[maybe_unused]] auto iteration : state) state.SetIterationTime(*wall++);
    for (const auto& [name, value] : found.figures) state.counters[name] = value;
    if (!found.gates.empty()) state.SetLabel(one_line(found.gates));
}

/// The file reporter needs a wrapper of its own only when it is wanted. Google Benchmark makes its own
/// reporters for other formats than JSON, and names rows its way.
void run_all(const std::vector<entry>& entries, const measuring_options& how,
             const std::vector<std::string>& arguments) {
    for (const entry& each : entries) {
        benchmark::RegisterBenchmark(each.name.c_str(),
                                     [&](benchmark::State& state) { run_entry(state, each, how); })
            ->Iterations(static_cast<benchmark::IterationCount>(each.iterations))
            ->UseManualTime()
            ->Unit(each.in_milliseconds ? benchmark::kMillisecond : benchmark::kNanosecond);
    }
    bool to_file = false;
    bool in_json = true;
    const std::string format = "--benchmark_out_format=";
    for (const auto& argument : arguments) {
        to_file = to_file || argument.starts_with("--benchmark_out=");
        in_json = in_json && (!argument.starts_with(format) || argument == format + "json");
    }
    plain_names display(benchmark::CreateDefaultDisplayReporter());
    plain_names file(new benchmark::JSONReporter);
    benchmark::RunSpecifiedBenchmarks(&display, to_file && in_json ? &file : nullptr);
    if (display.lost() || file.lost()) throw std::runtime_error(results_lost);
}

std::string compiler() {
#if defined(__clang__)
    return "clang " __clang_version__;
#else
    return "g++ " __VERSION__;
#endif
}

/// What the figures depend on beside the case.
std::map<std::string, std::string> context_of(const case_file& file) {
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
        {"specification", file.path()},
        {"specification_hash", file.hash()},
    };
}

void print_rows(const std::vector<row>& rows, const case_file& file, const std::string& workload) {
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
                          {"skip", one_line(each.skip)}});
    }
    std::cout << nlohmann::json{{"workload", workload},
                                {"specification", file.path()},
                                {"context", context_of(file)},
                                {"rows", listed}}
                     .dump(1)
              << std::endl;
    if (!std::cout) throw std::runtime_error(results_lost);
}

}  // namespace

int run_entries(int argc, char** argv, const std::vector<backend_summary>& extra,
                const entry_maker& make) {
    constexpr int unusable = 2;
    constexpr int unforeseen = 70;  // EX_SOFTWARE in sysexits.h.
    try {
        hold_standard_descriptors();
        std::vector<std::string> arguments(argv + 1, argv + argc);
        options chosen = take_options(arguments, extra);
        const bool listing = take_filter(arguments, chosen);
        initialize(argv[0], arguments);
        std::optional<std::vector<entry>> entries = make(chosen);
        if (!entries) return 0;
        std::erase_if(*entries, [&](const entry& each) { return !chosen.wants_row(each.name); });
        if (entries->empty()) throw usage_error("no row matches; --benchmark_list_tests lists all");
        if (listing) {
            for (const entry& each : *entries) std::cout << each.name << '\n';
        } else {
            run_all(*entries, chosen.measuring, arguments);
        }
        return 0;
    } catch (const usage_error& error) {
        std::cerr << argv[0] << ": " << one_line(error.what()) << '\n';
    } catch (const case_error& error) {
        std::cerr << one_line(error.what()) << '\n';
    } catch (const std::exception& error) {
        std::cerr << argv[0] << ": " << one_line(error.what()) << '\n';
        return unforeseen;
    }
    return unusable;
}

int run_rows(int argc, char** argv, const std::string& workload,
             const std::vector<backend_summary>& extra, const row_maker& make) {
    return run_entries(argc, argv, extra, [&](const options& chosen) {
        const case_file file(chosen.workload_file, chosen.cores);
        std::vector<row> rows = make(file, chosen);
        if (chosen.list_rows) {
            std::erase_if(rows, [&](const row& each) { return !chosen.wants_row(each.name); });
            print_rows(rows, file, workload);
            return entry_maker::result_type();
        }
        for (const auto& [key, value] : context_of(file)) benchmark::AddCustomContext(key, value);
        std::vector<entry> made;
        made.reserve(rows.size());
        for (const row& each : rows) {
            made.push_back({each.name, each.skip, each.iterations, true,
                            [each](const measuring_options& how) { return measure(each, how); }});
        }
        return entry_maker::result_type(std::move(made));
    });
}

}  // namespace overlap::bench
