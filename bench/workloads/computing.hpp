// What the leaves of a run add up to, and the oracle that knows it.
#pragma once

#include "bench/harness/session.hpp"
#include "bench/workloads/leaf_values.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>

namespace overlap::bench {

/// Sums modulo 2^64.
[[nodiscard]] inline std::uint64_t sum_of(std::span<const std::uint64_t> values) noexcept {
    return std::accumulate(values.begin(), values.end(), std::uint64_t{0});
}

/// The oracle: the values of leaves that follow one another. It works them out side by side, many times
/// as fast as one by one, since it does so anew for each run.
class leaf_oracle {
public:
    leaf_oracle(std::uint32_t seed, std::uint32_t steps) noexcept : seed_(seed), steps_(steps) {}

    /// Of the next leaf, from leaf 0 on.
    std::uint64_t next() noexcept {
        if (used_ == leaf_lanes) compute_more();
        return values_[used_++];
    }

    /// The sum of the next `leaves` leaves, modulo 2^64.
    std::uint64_t next_sum(std::size_t leaves) noexcept {
        std::uint64_t sum = 0;
        for (std::size_t leaf = 0; leaf < leaves; ++leaf) sum += next();
        return sum;
    }

private:
    void compute_more() noexcept {
        std::iota(values_.begin(), values_.end(), seed_);
        seed_ += leaf_lanes;
        step_all(values_, steps_);
        used_ = 0;
    }

    std::uint32_t seed_;
    std::uint32_t steps_;
    std::array<std::uint32_t, leaf_lanes> values_{};
    std::size_t used_ = leaf_lanes;
};

/// Throws wrong_result at the first value that is not the oracle's: each is the sum of `leaves` leaves
/// that follow one another.
template <class Oracle>
void expect_sums(std::span<const std::uint64_t> values, std::size_t leaves, Oracle oracle) {
    for (std::size_t i = 0; i < values.size(); ++i) {
        const std::uint64_t expected = oracle.next_sum(leaves);
        if (values[i] == expected) continue;
        throw wrong_result("result " + std::to_string(i) + " is " + std::to_string(values[i]) +
                           ", expected " + std::to_string(expected));
    }
}

}  // namespace overlap::bench
