// Which runs of a sample are of the whole case. The first of them in its fresh process is cold: it pays for
// pages, stacks and frames that later ones find there. What is compared is the later ones, if there are any.
#pragma once

#include "bench/workloads/workload.hpp"

#include <cstddef>

namespace overlap::bench {

/// Whether the warm-up asks all that the case does, since many keep it smaller: peers and the load are told
/// all that there is to a case.
template <workload Workload>
bool warms_up_in_full(const typename Workload::case_type& given) {
    const auto warm_up = Workload::warm_up(given);
    return warm_up.to_json() == given.to_json() &&
           Workload::load_of(warm_up) == Workload::load_of(given);
}

/// What session::run() is told that a warm-up is.
template <workload Workload>
const char* warm_up_label(const typename Workload::case_type& given) {
    return warms_up_in_full<Workload>(given) ? "cold" : "warm_up";
}

/// The same of the case's iterations, numbered from 0.
template <workload Workload>
const char* iteration_label(const typename Workload::case_type& given, std::size_t iteration) {
    return iteration == 0 && !warms_up_in_full<Workload>(given) ? "cold" : "iteration";
}

/// How many runs the sample's figures are medians of: the later ones, or the only one.
template <workload Workload>
std::size_t counted_runs(const typename Workload::case_type& given) {
    const bool all_count = warms_up_in_full<Workload>(given) || given.iterations == 1;
    return all_count ? given.iterations : given.iterations - 1;
}

}  // namespace overlap::bench
