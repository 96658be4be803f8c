// The options of the benchmark binaries, beside Google Benchmark's own.
#pragma once

#include "bench/harness/plugged_loop.hpp"
#include "bench/harness/row.hpp"
#include "bench/harness/servers.hpp"
#include "bench/peers/peer.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace overlap::bench {

struct options {
    std::string workload_file;  ///< Its path.
    std::vector<std::size_t>
        cores;  ///< How many cores each case is run on, in turn; empty: as it says.
    std::vector<std::string> loops;  ///< Only these, and those plugged in; empty: all.
    std::vector<plugged_loop> plugged_loops;
    std::vector<peer> peers;
    std::vector<peer> ranks;            ///< Of MPI, which are spoken with as peers are.
    std::vector<std::string> backends;  ///< Only these; empty: all.
    std::string filter;  ///< A regular expression on row names; a leading '-' negates.
    bool list_rows = false;
    http_server http;              ///< That workload fetch gets documents from, if there is one.
    postgresql_server postgresql;  ///< That workload query asks, if there is one.
    double budget_s = 30;          ///< Sleeps that would take longer in one iteration are not run.
    measuring_options measuring;

    [[nodiscard]] bool wants(std::string_view loop, std::string_view backend) const;
    [[nodiscard]] bool wants_row(const std::string& name) const;
};

/// A command line that cannot be followed; what() is one line.
class usage_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Takes out of `arguments` what is ours, and leaves Google Benchmark's. `extra` are backends
/// beside the built-in ones. Prints help and leaves the program with 0 when asked to. Throws
/// usage_error.
options take_options(std::vector<std::string>& arguments,
                     const std::vector<backend_summary>& extra);

}  // namespace overlap::bench
