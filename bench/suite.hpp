// The main program that the benchmark binaries share: options, rows, Google Benchmark.
#pragma once

#include "bench/options.hpp"
#include "bench/row.hpp"
#include "bench/specification.hpp"

#include <benchmark/benchmark.h>
#include <functional>
#include <string>
#include <vector>

namespace overlap::bench {

/// Makes all rows of one workload.
using row_maker = std::function<std::vector<row>(const specification&, const options&)>;

/// Returns the program's exit status.
int run_suite(int argc, char** argv, const char* workload, const row_maker& make_rows);

/// A benchmark that runs in this process.
struct primitive {
    std::string name;
    std::string loop;  ///< That it is about; empty: none in particular.
    std::string skip;  ///< Why it cannot run here; empty: it can.
    void (*body)(benchmark::State&);
};

/// The same for primitives. `items_per_second` is the figure to read: one item is one step.
int run_primitives(int argc, char** argv, const std::vector<primitive>& primitives);

}  // namespace overlap::bench
