// Gathering with no runtime at all: plain function calls, and for work that is worth a thread, a
// fixed share of them for each core.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

namespace overlap::floor {

/// A call that is a call: what a task costs at the very least. A loop without any, as the compiler makes of
/// `sequential`, takes less.
template <class Leaf>
[[gnu::noinline]] std::uint64_t call(const Leaf& leaf, std::size_t index) {
    return leaf(index);
}

/// leaf(0) .. leaf(count - 1) by index, in a share for each of `threads`: of what leaf the share of a
/// part begins with, first_of(part, threads) tells; that of part `threads` is `count`.
template <class Leaf, class FirstOf>
std::vector<std::uint64_t> gather(std::size_t count, const Leaf& leaf, std::size_t threads,
                                  const FirstOf& first_of) {
    std::vector<std::uint64_t> values(count);
    const auto share = [&](std::size_t part) {
        const std::size_t last = first_of(part + 1, threads);
        for (std::size_t i = first_of(part, threads); i < last; ++i) values[i] = call(leaf, i);
    };
    std::vector<std::jthread> others;
    for (std::size_t part = 1; part < threads; ++part) others.emplace_back(share, part);
    share(0);
    others.clear();  // Joins them.
    return values;
}

/// The same in equal shares.
template <class Leaf>
std::vector<std::uint64_t> gather(std::size_t count, const Leaf& leaf, std::size_t threads = 1) {
    return gather(count, leaf, threads,
                  [count](std::size_t part, std::size_t parts) { return count * part / parts; });
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
