// The main program that the benchmark binaries share: options, rows, Google Benchmark.
#pragma once

#include "bench/cases/case_file.hpp"
#include "bench/harness/options.hpp"
#include "bench/harness/row.hpp"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace overlap::bench {

/// What a binary measures under one name.
struct entry {
    std::string name;
    std::string skip;  ///< Why it cannot be measured here, in words; empty: it can.
    std::size_t iterations = 1;
    bool in_milliseconds = false;  ///< How times are shown; otherwise in nanoseconds.
    std::function<outcome(const measuring_options&)> measure;
};

/// Measures what `make` returns; nothing if there is no more to be done. `extra` are backends beside
/// the built-in ones. Returns the program's exit status.
int run_entries(
    int argc, char** argv, const std::vector<backend_summary>& extra,
    const std::function<std::optional<std::vector<entry>>(const options& chosen)>& make);

/// The same for all rows of one workload.
int run_rows(int argc, char** argv, const std::string& workload,
             const std::vector<backend_summary>& extra,
             const std::function<std::vector<row>(const case_file&, const options&)>& make);

}  // namespace overlap::bench
