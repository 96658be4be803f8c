// Percentiles as the suite tells them: exact, and only where they mean something.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace overlap::bench {

/// With n observations the largest lies above the q-quantile with probability 1 - q^n. These are the
/// smallest n that make it 95%: ln(0.05) / ln(q).
inline constexpr std::size_t enough_for_p99 = 299;
inline constexpr std::size_t enough_for_p999 = 2995;
inline constexpr std::size_t enough_for_p9999 = 29'956;

/// Pairs of a name and seconds, by nearest rank (the smallest observation that at least a share q of
/// all do not exceed): prefix + "_p50_s"; "_p99_s", "_p999_s" and "_p9999_s" where there are enough
/// observations; "_max_s". None of no observations, which are in nanoseconds.
template <class Nanoseconds>
std::vector<std::pair<std::string, double>> percentiles(const std::string& prefix,
                                                        std::vector<Nanoseconds> observations) {
    std::vector<std::pair<std::string, double>> found;
    const auto add = [&](const char* name, double quantile, std::size_t enough) {
        if (observations.size() < enough) return;
        const double rank = quantile * static_cast<double>(observations.size()) - 1e-9;
        const auto place = observations.begin() + static_cast<std::ptrdiff_t>(std::ceil(rank)) - 1;
        std::nth_element(observations.begin(), place, observations.end());
        found.emplace_back(prefix + name, static_cast<double>(*place) * 1e-9);
    };
    add("_p50_s", 0.5, 1);
    add("_p99_s", 0.99, enough_for_p99);
    add("_p999_s", 0.999, enough_for_p999);
    add("_p9999_s", 0.9999, enough_for_p9999);
    add("_max_s", 1, 1);
    return found;
}

}  // namespace overlap::bench
