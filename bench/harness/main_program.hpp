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

using entry_maker = std::function<std::optional<std::vector<entry>>(const options&)>;

/// Measures what `make` returns; nothing if there is no more to be done. `extra` are backends beside
/// the built-in ones. Returns the program's exit status.
int run_entries(int argc, char** argv, const std::vector<backend_summary>& extra,
                const entry_maker& make);

using row_maker = std::function<std::vector<row>(const case_file&, const options&)>;

/// The same for all rows of one workload.
int run_rows(int argc, char** argv, const std::string& workload,
             const std::vector<backend_summary>& extra, const row_maker& make);

}  // namespace overlap::bench
