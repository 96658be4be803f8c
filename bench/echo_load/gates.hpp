// Whether the figures of a run are the server's, and those of a steady state.
#pragma once

#include "generator.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace overlap::load {

/// Replies wait to be read by a generator that is busy for more of its time.
inline constexpr double busiest = 0.8;

/// How an open loop went from the end of its warm-up until its schedule's. A message that never came
/// back has the latency `unanswered`.
struct steadiness {
    double offered_per_s = 0;
    double window_s = 0;
    std::size_t due = 0;         ///< Messages that became due.
    std::size_t answered = 0;    ///< Messages that came back, whenever they were due.
    std::size_t backlog = 0;     ///< Messages that were under way at its end.
    double backlog_before = 0;   ///< The same in its third quarter, on average.
    bool backlog_grows = false;  ///< It grew by more than chance, and by 1% of the rate.
    double little_error = 0;     ///< How far it is from Little's law, as a share.
    double lateness_p99_s = 0;   ///< Of sending; the maximum where p99 has too few.

    [[nodiscard]] double answered_share() const noexcept {
        return static_cast<double>(answered) / static_cast<double>(due);
    }
};

inline constexpr std::uint64_t unanswered = ~std::uint64_t{0};

steadiness steadiness_of(const load_result& result);

/// "overloaded: answered 61% of 40,000/s".
std::string overloaded(const steadiness& found);

/// Why rate and latency are not the server's, in words: each gate's name, a colon and what was found.
/// Empty if they are.
std::vector<std::string> gates_of(const load_result& result, double little_error);
std::vector<std::string> gates_of(const load_result& result, const steadiness& found,
                                  double latency_p50_s);

}  // namespace overlap::load
