#include "bench/peers/clock.hpp"

#include <algorithm>
#include <sstream>
#include <stdexcept>

namespace overlap::bench {

namespace {

/// Of two lines through pipes, whoever reads and writes them: on idle cores 0.2 ms in C++, 0.5 ms in
/// Python and Erlang.
constexpr double most_for_lines_s = 0.002;
constexpr double least_for_lines_s = 0.0002;
constexpr double as_long_as_most = 4;
/// For many tasks: to make room for results before the run, and to let go of tasks after it. asyncio
/// takes 4% of ten thousand sleeps for that.
constexpr double lines_share = 0.1;
/// What one monotonic clock may differ from another in its pace, or CPU time from either.
constexpr double pace_share = 0.03;

}  // namespace

double time_for_lines(std::vector<double> round_trips_s) {
    if (round_trips_s.empty()) throw std::invalid_argument("time_for_lines: no round trips");
    const auto middle =
        round_trips_s.begin() + static_cast<std::ptrdiff_t>(round_trips_s.size() / 2);
    std::nth_element(round_trips_s.begin(), middle, round_trips_s.end());
    return std::clamp(as_long_as_most * *middle, least_for_lines_s, most_for_lines_s);
}

std::string why_impossible(const peer_run& run, std::size_t cores) {
    std::ostringstream words;
    if (!(run.wall_s > 0) || run.wall_s > run.answered_s * (1 + pace_share)) {
        words << "says that it ran for " << run.wall_s << " s, but answered after "
              << run.answered_s << " s";
    }
    const double all_s = run.wall_s * (1 + pace_share) + run.lines_s;
    if (run.cpu_s > static_cast<double>(cores) * all_s + run.cpu_rounded_s) {
        words << (words.str().empty() ? "" : "; ") << "used " << run.cpu_s << " s of CPU time on "
              << cores << (cores == 1 ? " core" : " cores") << " in a run that it says took "
              << run.wall_s << " s";
    }
    return words.str();
}

bool fills_its_time(const peer_run& run) {
    return run.wall_s >= run.answered_s * (1 - lines_share) - run.lines_s;
}

double time_taken(const peer_run& run) {
    return run.wall_s >= run.answered_s * (1 - lines_share) ? run.wall_s : run.answered_s;
}

std::string clocks_part(const peer_run& run) {
    std::ostringstream words;
    words << "the clocks part: the peer says that it ran for " << run.wall_s
          << " s, and its answer took " << run.answered_s << " s";
    return words.str();
}

}  // namespace overlap::bench
