// The main program that the benchmark binaries share: options, rows, Google Benchmark.
#pragma once

#include "bench/options.hpp"
#include "bench/row.hpp"
#include "bench/specification.hpp"

#include <functional>
#include <vector>

namespace overlap::bench {

/// Makes all rows of one workload.
using row_maker = std::function<std::vector<row>(const specification&, const options&)>;

/// Returns the program's exit status.
int run_suite(int argc, char** argv, const char* workload, const row_maker& make_rows);

/// The same for benchmarks that are registered with Google Benchmark and run in this process.
int run_registered(int argc, char** argv);

}  // namespace overlap::bench
