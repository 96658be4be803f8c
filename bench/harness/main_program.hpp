// The main program that the benchmark binaries share: options, rows, Google Benchmark.
#pragma once

#include "bench/cases/specification.hpp"
#include "bench/harness/options.hpp"
#include "bench/harness/row.hpp"

#include <functional>
#include <vector>

namespace overlap::bench {

/// Makes all rows of one workload.
using row_maker = std::function<std::vector<row>(const specification&, const options&)>;

/// Returns the program's exit status. `extra` are backends beside the built-in ones.
int run_suite(int argc, char** argv, const char* workload,
              const std::vector<backend_summary>& extra, const row_maker& make_rows);

/// A row that is one figure, the wall time of a step. `measure` returns it in seconds, and throws
/// std::runtime_error with what went wrong.
struct step_row {
    std::string name;
    std::string skip;  ///< Why it cannot be measured here, in words; empty: it can.
    std::function<double(const measuring_options&)> measure;
};

/// The same for steps.
int run_steps(int argc, char** argv, const std::vector<backend_summary>& extra,
              const std::function<std::vector<step_row>(const options&)>& make_rows);

}  // namespace overlap::bench
