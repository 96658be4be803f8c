// Gathering with no runtime at all: plain function calls, and for work that is worth a thread, a
// fixed share of them for each core.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

namespace overlap::floor {

/// A call that is a call: what a task costs at the very least.
template <class Leaf>
[[gnu::noinline]] std::uint64_t call(const Leaf& leaf, std::size_t index) {
    return leaf(index);
}

/// leaf(0) .. leaf(count - 1) by index, in `threads` equal shares.
template <class Leaf>
std::vector<std::uint64_t> gather(std::size_t count, const Leaf& leaf, std::size_t threads = 1) {
    std::vector<std::uint64_t> values(count);
    const auto share = [&](std::size_t part) {
        const std::size_t first = count * part / threads;
        const std::size_t last = count * (part + 1) / threads;
        for (std::size_t i = first; i < last; ++i) values[i] = call(leaf, i);
    };
    std::vector<std::jthread> others;
    for (std::size_t part = 1; part < threads; ++part) others.emplace_back(share, part);
    share(0);
    others.clear();  // Joins them.
    return values;
}

/// The sum below one inner node of a tree with `fan_out` children a node and `levels` levels of
/// gathers left; `index` is the node's place in its level.
template <class Leaf>
[[gnu::noinline]] std::uint64_t sum_tree(std::size_t fan_out, std::size_t levels, std::size_t index,
                                         const Leaf& leaf) {
    std::uint64_t sum = 0;
    for (std::size_t child = index * fan_out; child < (index + 1) * fan_out; ++child) {
        sum += levels == 1 ? call(leaf, child) : sum_tree(fan_out, levels - 1, child, leaf);
    }
    return sum;
}

}  // namespace overlap::floor
