// Whether the ranks that a launcher has started can work together.
#pragma once

#include <overlap/mpi/mpi_call.hpp>

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace overlap::bench {

/// Ranks that must not work together, or cannot; what() is one line that says what to do.
class unfit_ranks : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// What the ranks are, all together.
struct rank_census {
    std::size_t hosts = 0;
    std::size_t cores = 0;           ///< Of all hosts.
    bool is_oversubscribed = false;  ///< On some host more workers than cores.
};

/// FNV-1a of a file's bytes. Throws std::system_error.
std::uint64_t hash_of_file(const std::string& path);

/// Meets all ranks. Throws unfit_ranks on each when there are not `expected` of them, or when one runs
/// another build of this program or has another specification, of the given hash, than rank 0.
/// `workers` are this rank's.
rank_census take_census(const rank_group& ranks, std::size_t expected, std::size_t workers,
                        std::uint64_t specification);

/// "Open MPI 4.1.4" or what else this is.
std::string mpi_version();

}  // namespace overlap::bench
