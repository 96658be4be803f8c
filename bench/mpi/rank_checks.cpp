#include "bench/mpi/rank_checks.hpp"

#include <overlap/core/cores.hpp>
#include <overlap/core/error.hpp>
#include <overlap/core/socket.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <sstream>
#include <unistd.h>
#include <vector>

namespace overlap::bench {

namespace {

/// What each rank says of itself; sent byte by byte.
struct rank_record {
    std::array<char, MPI_MAX_PROCESSOR_NAME> host{};
    std::uint64_t build = 0;
    std::uint64_t specification = 0;
    std::uint64_t workers = 0;
    std::uint64_t cores = 0;

    [[nodiscard]] std::string host_name() const { return host.data(); }
};

std::vector<rank_record> records_of_all(const rank_group& ranks, const rank_record& own) {
    std::vector<rank_record> all(static_cast<std::size_t>(ranks.size()));
    MPI_Allgather(&own, sizeof own, MPI_BYTE, all.data(), sizeof own, MPI_BYTE, ranks.get());
    return all;
}

void refuse_difference(const std::vector<rank_record>& all, std::uint64_t rank_record::* of,
                       const std::string& what, const std::string& advice) {
    const auto differs = [&](const rank_record& each) { return each.*of != all[0].*of; };
    const auto found = std::find_if(all.begin(), all.end(), differs);
    if (found == all.end()) return;
    std::ostringstream words;
    words << "rank " << found - all.begin() << " on " << found->host_name() << ' ' << what
          << " than rank 0 on " << all[0].host_name() << ": " << advice;
    throw unfit_ranks(words.str());
}

}  // namespace

std::uint64_t hash_of_file(const std::string& path) {
    const unique_descriptor file(
        check_errno(::open(path.c_str(), O_RDONLY | O_CLOEXEC), path.c_str()));
    std::uint64_t hash = 0xcbf29ce484222325;
    std::array<unsigned char, 65536> buffer{};
    while (const auto size =
               check_errno(::read(file.get(), buffer.data(), buffer.size()), path.c_str())) {
        for (ssize_t i = 0; i < size; ++i) {
            hash = (hash ^ buffer[static_cast<std::size_t>(i)]) * 0x100000001b3;
        }
    }
    return hash;
}

rank_census take_census(const rank_group& ranks, std::size_t expected, std::size_t workers,
                        std::uint64_t specification) {
    if (static_cast<std::size_t>(ranks.size()) != expected) {
        throw unfit_ranks("this is one of " + std::to_string(ranks.size()) + " ranks and not of " +
                          std::to_string(expected) + ": does the launcher belong to " +
                          mpi_version() + ", with which this was built?");
    }
    rank_record own;
    int length = 0;
    MPI_Get_processor_name(own.host.data(), &length);
    own.build = hash_of_file("/proc/self/exe");
    own.specification = specification;
    own.workers = workers;
    own.cores = available_cores();
    const std::vector<rank_record> all = records_of_all(ranks, own);
    refuse_difference(all, &rank_record::build, "runs another build",
                      "copy this build to every host, to the same path");
    refuse_difference(all, &rank_record::specification, "has another specification",
                      "copy the workload file to every host, to the same path");
    struct host {
        std::size_t workers = 0;
        std::size_t cores = 0;
    };
    std::map<std::string, host> hosts;
    for (const rank_record& each : all) {
        host& its = hosts[each.host_name()];
        its.workers += each.workers;
        its.cores = std::max<std::size_t>(its.cores, each.cores);
    }
    rank_census found{.hosts = hosts.size()};
    for (const auto& [name, its] : hosts) {
        found.cores += its.cores;
        found.is_oversubscribed = found.is_oversubscribed || its.workers > its.cores;
    }
    return found;
}

std::string mpi_version() {
    std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
    int length = 0;
    MPI_Get_library_version(text.data(), &length);
    std::string words = text.data();
    // "Open MPI v4.1.4, package: ..." and "MPICH Version: 4.0.2\nMPICH Release date: ...".
    words = words.substr(0, words.find_first_of(",\n"));
    for (const char* noise : {"Version:", "v"}) {
        const auto at = words.find(std::string(" ") + noise);
        if (at != std::string::npos) words.erase(at + 1, std::strlen(noise));
    }
    std::erase(words, '\t');
    return words.substr(0, words.find_last_not_of(' ') + 1);
}

}  // namespace overlap::bench
