// Whether what a peer's own clock says of a run can be.
//
// A clock that runs slow would make a peer fast, so it is held against two others: what passed
// between the request and the answer here, and the CPU time that the kernel has counted.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace overlap::bench {

/// One run of a peer, by three clocks.
struct peer_run {
    double wall_s = 0;      ///< That the run took, as the peer says.
    double answered_s = 0;  ///< From the request to the answer, by our clock.
    double cpu_s = 0;       ///< That the peer used from before the request until after the answer.
    double cpu_rounded_s = 0;  ///< By how much the kernel may have rounded that.
    double lines_s = 0;  ///< What a request and its answer may take where there is nothing to do.
};

/// What to allow for lines, of round trips in which there was nothing else to do. A machine may be busier
/// later on: several times as long as most of them took, and no more than 2 ms. Throws
/// std::invalid_argument without any.
double time_for_lines(std::vector<double> round_trips_s);

/// Why a run on so many cores cannot have been so, however busy the machine was; empty if it can.
std::string why_impossible(const peer_run& run, std::size_t cores);

/// Whether the run took nearly all of the time between the request and the answer, in which there is
/// nothing else but a line to read and a line to write. On a machine that is busy with something else
/// an honest run may not.
bool fills_its_time(const peer_run& run);

/// How long the run took: as the peer says where that is nearly all of the time until the answer. Of a
/// run that is hardly longer than the lines take, the peer's clock cannot be told from one that is slow;
/// then it is the time until the answer.
double time_taken(const peer_run& run);

/// What to say of a run that does not.
std::string clocks_part(const peer_run& run);

}  // namespace overlap::bench
