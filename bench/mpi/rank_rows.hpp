// Rows on ranks of MPI: the same cases, receipts and figures, from a program of ours that a launcher
// starts on every host (mpi_ranks.cpp). Rank 0 is spoken with as a peer is, but for what it is asked and
// what it answers: all that ranks use is added up there.
#pragma once

#include "bench/harness/answers.hpp"
#include "bench/harness/backend_rows.hpp"
#include "bench/harness/full_runs.hpp"
#include "bench/peers/peer.hpp"

#include <overlap/core/cores.hpp>

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <sys/prctl.h>
#include <vector>

namespace overlap::bench {

/// One row's measuring process: the harness's end of a conversation with rank 0.
template <workload Workload>
class measured_ranks {
public:
    using case_type = typename Workload::case_type;

    measured_ranks(session& line, const case_type& given, const peer& which)
        : line_(line), given_(given), work_(given), sums_("sums"), results_("results"),
          process_(which.command, which.folder) {
        ::prctl(PR_SET_NAME, "harness");  // System calls are counted for the ranks alone.
    }

    void measure() {
        const double once_s = measure_once(warm_up_label<Workload>(given_), 1, true, false);
        const std::size_t repeat = repetitions(given_.repeat, once_s);
        for (std::size_t i = 0; i < given_.iterations; ++i) {
            measure_once(iteration_label<Workload>(given_, i), repeat, false, false);
        }
        if (line_.why() == purpose::measure_trace) measure_once("traced", 1, false, true);
        process_.end();
    }

private:
    double measure_once(const std::string& label, std::size_t repeat, bool warm_up, bool trace) {
        const case_type given = warm_up ? Workload::warm_up(given_) : given_;
        const std::uint32_t seed = seeds_.next();
        process_.send({{"request", "run"},
                       {"workload", case_type::workload},
                       {"case", given_.name},
                       {"warm_up", warm_up},
                       {"seed", seed},
                       {"repeat", repeat},
                       {"trace", trace}});
        const auto used = process_.receive("figures").template get<counters>();
        const auto each = static_cast<double>(repeat);
        const double wall_s = used.at("wall_s") / each;
        counters figures = check_all(work_, given, seed, answers_of(given, repeat), wall_s);
        for (const auto& [name, value] : used) figures[name] = value / each;
        figures["peak_memory_bytes"] = used.at("peak_memory_bytes");
        figures["useful_parallelism"] = used.at("working_s") / used.at("wall_s");
        figures.erase("working_s");
        figures["startup_s"] = process_.startup_s();
        counters flights;
        for (const char* name : {"spans_s", "peak_in_flight"}) {
            const auto found = figures.extract(name);
            if (found) flights[name] = found.mapped();
        }
        line_.report(label, figures);
        if (trace) line_.report("flights", flights);
        return wall_s;
    }

    run_answers<Workload> answers_of(const case_type& given, std::size_t repeat) {
        process_.send({{"request", "write"}, {"sums", sums_.path()}, {"results", results_.path()}});
        process_.receive_true("written");
        return {sums_.template read<std::uint64_t>(repeat - 1, "sums"),
                results_.template read<typename Workload::result>(Workload::result_count(given),
                                                                  "results")};
    }

    session& line_;
    const case_type given_;
    Workload work_;
    run_seeds seeds_;
    shared_file sums_;
    shared_file results_;
    peer_process process_;
};

/// The row of one case on ranks, if it was chosen.
template <workload Workload>
void add_rank_row(const typename Workload::case_type& given, const peer& which,
                  const options& chosen, std::vector<row>& into) {
    std::optional<row> made = plain_peer_row<Workload>(given, which, chosen);
    if (!made) return;
    made->cores = which.cores;
    made->uses_processes = true;
    if (made->skip.empty() && given.cores != 0) {
        made->skip = "not available: ranks have the cores that they were started with";
    }
    foresee<Workload>(*made, given, which.task_limit, chosen);
    made->has_memory = false;  // Each run says what all ranks had; a rank has few tasks at once.
    made->body = [given, which](session& line) {
        try {
            measured_ranks<Workload>(line, given, which).measure();
        } catch (const no_workload&) {
            line.report_error(std::string("no workload: ranks have no ") +
                              Workload::case_type::workload);
        }
    };
    into.push_back(*std::move(made));
}

}  // namespace overlap::bench
