// What is asked for on echo_load's command line.
#pragma once

#include "options.hpp"

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace overlap::load {

struct command {
    load_options load;
    std::vector<std::string>
        merge;              ///< Files whose latencies are put together; then nothing is sent.
    std::string histogram;  ///< Where latencies are kept, if at all.
    bool json = false;
};

/// Throws usage_error if it makes no sense, or what CLI11 throws: a CLI::ParseError that is a
/// CLI::Success if help was asked for. `app` prints that.
command parse(CLI::App& app, int argc, char** argv);

}  // namespace overlap::load
