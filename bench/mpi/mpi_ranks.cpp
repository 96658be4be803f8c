// One rank of the rows on MPI: all ranks read the same specification and run the cases that rank 0 is
// asked for. A request is a line of JSON on rank 0's standard input, an answer one on its standard output:
//
//   {"request": "run", "workload": "gather", "case": "1k_empty", "warm_up": false, "seed": 7,
//    "repeat": 3, "trace": false}           {"figures": {"wall_s": ..., ...}}, sums over all repetitions
//   {"request": "write", "results": PATH,
//    "sums": PATH}                          {"written": true}: what the last run came to, byte by byte
//
// The first line says what the ranks are, {"hello": ...}, or {"error": ...} why they are none.
#include "bench/cases/case_file.hpp"
#include "bench/harness/answers.hpp"
#include "bench/harness/flights.hpp"
#include "bench/harness/session.hpp"
#include "bench/mpi/rank_checks.hpp"
#include "bench/workloads/gather/workload.hpp"
#include "bench/workloads/heartbeat/workload.hpp"
#include "bench/workloads/mix/workload.hpp"
#include "bench/workloads/sleeps/workload.hpp"

#include <overlap/mpi/mpi.hpp>
#include <overlap/process/process_usage.hpp>
#include <overlap/sequential/sequential.hpp>
#include <overlap/thread_pool/thread_pool.hpp>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

namespace overlap::bench {
namespace {

using nlohmann::json;

void say(const json& answer) { std::cout << answer.dump() << std::endl; }

/// What one rank used in a run, for sums over all of them.
struct rank_usage {
    std::array<double, 7> values{};

    static rank_usage now(double working_s) {
        const process_usage own = usage_of(RUSAGE_SELF);
        return {{own.user_s, own.system_s, static_cast<double>(own.voluntary_switches),
                 static_cast<double>(own.involuntary_switches), working_s}};
    }
    static constexpr std::array<const char*, 7> names{"user_s",
                                                      "system_s",
                                                      "voluntary_switches",
                                                      "involuntary_switches",
                                                      "working_s",
                                                      "peak_memory_bytes",
                                                      "spans_s"};
};

/// All that is asked of one rank, on one runtime.
template <class Runtime>
class rank_service {
public:
    rank_service(Runtime& runtime, const rank_group& ranks, const case_file& cases)
        : runtime_(runtime), ranks_(ranks), cases_(cases) {}

    /// Until there is no more to read.
    void serve() {
        for (std::string line; next_request(line);) {
            const json request = json::parse(line);
            try {
                if (request.at("request") == "run") run(request);
                if (request.at("request") == "write" && ranks_.is_root()) write(request);
            } catch (const limit_error& error) {
                answer({{"limit", error.what()}});
            } catch (const mpi_error&) {
                throw;  // The others may not know of it, and wait.
            } catch (const std::exception& error) {
                answer({{"error", error.what()}});
            }
        }
    }

private:
    void answer(const json& words) const {
        if (ranks_.is_root()) say(words);
    }

    /// Rank 0 reads the next line, and tells the others; false at the end. Until there is one they sleep
    /// most of the time: whatever else runs on their cores is none of their business yet.
    bool next_request(std::string& line) {
        constexpr int tag = 1;
        if (ranks_.is_root()) {
            if (!std::getline(std::cin, line)) line.clear();
            for (int rank = 1; rank < ranks_.size(); ++rank) {
                MPI_Send(line.data(), static_cast<int>(line.size()), MPI_BYTE, rank, tag,
                         ranks_.get());
            }
            return !line.empty();
        }
        int is_there = 0;
        MPI_Status status;
        for (;;) {
            detail::check_mpi(MPI_Iprobe(0, tag, ranks_.get(), &is_there, &status), "MPI_Iprobe");
            if (is_there != 0) break;
            std::this_thread::sleep_for(std::chrono::microseconds(200));
        }
        int size = 0;
        MPI_Get_count(&status, MPI_BYTE, &size);
        line.resize(static_cast<std::size_t>(size));
        MPI_Recv(line.data(), size, MPI_BYTE, 0, tag, ranks_.get(), MPI_STATUS_IGNORE);
        return !line.empty();
    }

    void run(const json& request) {
        const std::string workload = request.at("workload");
        const bool known = run_if<sleeps_workload>(workload, request) ||
                           run_if<gather_workload>(workload, request) ||
                           run_if<mix_workload>(workload, request) ||
                           run_if<heartbeat_workload>(workload, request);
        if (!known) answer({{"no_workload", true}});
    }

    template <class Workload>
    bool run_if(const std::string& workload, const json& request) {
        using case_type = typename Workload::case_type;
        if (workload != case_type::workload) return false;
        const std::string name = request.at("case");
        const std::vector<case_type> all = cases_.cases<case_type>();
        const auto found = std::find_if(all.begin(), all.end(),
                                        [&](const case_type& each) { return each.name == name; });
        if (found == all.end()) throw std::runtime_error("no case " + workload + "/" + name);
        const case_type given = request.at("warm_up") == true ? Workload::warm_up(*found) : *found;
        if (request.at("trace") == true) {
            flight_log log(given.task_count());
            run_case<Workload>(given, request, log);
        } else {
            no_log nothing;
            run_case<Workload>(given, request, nothing);
        }
        return true;
    }

    template <class Workload, class Log>
    void run_case(const auto& given, const json& request, Log& log) {
        const std::size_t repeat = request.at("repeat");
        const std::uint32_t seed = request.at("seed");
        Workload work(given);
        run_answers<Workload> answers;
        answers.sums.resize(repeat - 1);
        const auto once = [&](std::uint32_t from) {
            return runtime_.run([&] { return work.root(runtime_, given, from, log); });
        };
        MPI_Barrier(ranks_.get());
        const rank_usage before = rank_usage::now(runtime_.working_s());
        const auto start = std::chrono::steady_clock::now();
        run_all<Workload>(given, seed, once, answers);
        const double wall_s = seconds_since(start);
        rank_usage used = rank_usage::now(runtime_.working_s());
        for (std::size_t i = 0; i < used.values.size(); ++i) used.values[i] -= before.values[i];
        used.values[5] = peak_memory_bytes();
        double peak = 0;
        if constexpr (std::is_same_v<Log, flight_log>) {
            used.values[6] = log.summary().spans_s;
            peak = most_in_flight(log);
        }
        report(wall_s, used, peak);
        sums_ = bytes_of(answers.sums);
        results_ = bytes_of(answers.results);
    }

    /// The most tasks in flight on one host: clocks of several cannot be compared.
    [[nodiscard]] double most_in_flight(const flight_log& log) const {
        MPI_Comm host = MPI_COMM_NULL;
        MPI_Comm_split_type(ranks_.get(), MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host);
        int size = 0;
        int rank = 0;
        MPI_Comm_size(host, &size);
        MPI_Comm_rank(host, &rank);
        const auto own = log.intervals();
        const int bytes = static_cast<int>(own.size_bytes());
        std::vector<int> counts(static_cast<std::size_t>(size));
        MPI_Gather(&bytes, 1, MPI_INT, counts.data(), 1, MPI_INT, 0, host);
        std::vector<int> places{0};
        for (const int count : counts) places.push_back(places.back() + count);
        std::vector<flight_interval> all(static_cast<std::size_t>(places.back()) /
                                         sizeof(flight_interval));
        MPI_Gatherv(own.data(), bytes, MPI_BYTE, all.data(), counts.data(), places.data(), MPI_BYTE,
                    0, host);
        MPI_Comm_free(&host);
        double peak = rank == 0 ? static_cast<double>(summarize(all).peak) : 0;
        MPI_Allreduce(MPI_IN_PLACE, &peak, 1, MPI_DOUBLE, MPI_MAX, ranks_.get());
        return peak;
    }

    void report(double wall_s, rank_usage used, double peak) {
        rank_usage all;
        MPI_Reduce(used.values.data(), all.values.data(), static_cast<int>(all.values.size()),
                   MPI_DOUBLE, MPI_SUM, 0, ranks_.get());
        json figures{{"wall_s", wall_s}};
        for (std::size_t i = 0; i < all.values.size(); ++i) {
            figures[rank_usage::names[i]] = all.values[i];
        }
        figures["peak_in_flight"] = peak;
        answer({{"figures", figures}});
    }

    template <class Value>
    static std::string bytes_of(const std::vector<Value>& values) {
        return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Value)};
    }

    void write(const json& request) const {
        write_file(request.at("sums"), sums_);
        write_file(request.at("results"), results_);
        say({{"written", true}});
    }

    static void write_file(const std::string& path, const std::string& bytes) {
        std::ofstream file(path, std::ios::binary | std::ios::trunc);
        file << bytes;
        file.close();
        if (file) return;
        throw std::runtime_error("rank 0 cannot write " + path + ", which belongs to the process " +
                                 "that asks: name the host first on which that is");
    }

    Runtime& runtime_;
    const rank_group& ranks_;
    const case_file& cases_;
    std::string sums_;  // Of the last run, byte by byte: what each repetition's results add up to.
    std::string results_;  // Of its last repetition.
};

struct rank_options {
    std::string runtime = "mpi";
    std::string workloads;
    std::size_t ranks = 1;
    std::vector<std::size_t> workers;  ///< Threads of each rank; empty: one a core.
};

template <class Runtime>
void serve_on(Runtime& runtime, const rank_group& ranks, const rank_census& census,
              const case_file& cases) {
    const auto count = [](std::size_t number, const char* what) {
        return std::to_string(number) + ' ' + what + (number == 1 ? "" : "s");
    };
    const std::string version = mpi_version() + ", " +
                                count(static_cast<std::size_t>(ranks.size()), "rank") + " on " +
                                count(census.hosts, "host") + ", busy-waits" +
                                (census.is_oversubscribed ? ", oversubscribed" : "");
    if (ranks.is_root()) {
        say({{"hello",
              {{"version", version},
               {"task_limit", runtime.task_limit()},
               {"cores", census.cores},
               {"oversubscribed", census.is_oversubscribed}}}});
    }
    rank_service<Runtime>(runtime, ranks, cases).serve();
}

void serve(const rank_options& chosen) {
    const rank_group ranks(MPI_COMM_WORLD);
    const auto rank = static_cast<std::size_t>(ranks.rank());
    const bool has_pool = chosen.runtime != "mpi";
    const std::size_t workers = !has_pool                      ? 1
                                : rank < chosen.workers.size() ? chosen.workers[rank]
                                                               : available_cores();
    const case_file cases(chosen.workloads);
    const rank_census census =
        take_census(ranks, chosen.ranks, workers, std::stoull(cases.hash(), nullptr, 16));
    if (has_pool) {
        mpi<thread_pool> runtime(results_at::root, MPI_COMM_WORLD, workers);
        serve_on(runtime, ranks, census, cases);
    } else {
        mpi<sequential> runtime(results_at::root);
        serve_on(runtime, ranks, census, cases);
    }
}

int run_rank(int argc, char** argv) {
    rank_options chosen;
    CLI::App parser("One rank of the rows on MPI, which scripts/run --mpi starts.");
    parser.add_option("--runtime", chosen.runtime, "mpi or mpi+thread_pool")
        ->check(CLI::IsMember({"mpi", "mpi+thread_pool"}));
    parser.add_option("--workloads", chosen.workloads, "The workload file (TOML)")->required();
    parser.add_option("--ranks", chosen.ranks, "How many there have to be")->required();
    parser.add_option("--workers", chosen.workers, "Threads of each rank's pool")->delimiter(',');
    CLI11_PARSE(parser, argc, argv);
    const mpi_environment environment;
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    try {
        serve(chosen);
        return 0;
    } catch (const unfit_ranks& error) {
        // All ranks know, so that all can end.
        if (rank == 0) say({{"error", error.what()}});
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "mpi_ranks: rank %d: %s\n", rank, error.what());
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    return 1;
}

}  // namespace
}  // namespace overlap::bench

int main(int argc, char** argv) { return overlap::bench::run_rank(argc, argv); }
