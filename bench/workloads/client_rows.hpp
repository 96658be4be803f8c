// Rows of the workloads that are clients of a server, with their floor on epoll.
#pragma once

#include "bench/peers/peer_rows.hpp"
#include "bench/workloads/client_case.hpp"
#include "bench/workloads/client_failure.hpp"
#include "bench/workloads/client_workload.hpp"
#include "bench/workloads/computing.hpp"

#include <overlap/floor/exchange_epoll.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <string>
#include <vector>

namespace overlap::bench {

/// The oracle: sums of what answers that follow one another in a run are worth; `worth(i)` is that of
/// answer i.
template <class Worth>
class answer_oracle {
public:
    explicit answer_oracle(Worth worth) : worth_(worth) {}

    std::uint64_t next_sum(std::size_t answers) {
        std::uint64_t sum = 0;
        for (std::size_t i = 0; i < answers; ++i) sum += worth_(next_++);
        return sum;
    }

private:
    Worth worth_;
    std::size_t next_ = 0;
};

/// Throws wrong_result unless each task has the sum of its answers, and none came before the server could
/// have waited. `answers` is what they are called.
template <class Worth>
void expect_answers(const client_case& given, const std::vector<std::uint64_t>& sums, double wall_s,
                    const std::string& answers, Worth worth) {
    expect_sums(sums, given.exchanges, answer_oracle(worth));
    if (wall_s < waiting_of_task_s(given)) {
        throw wrong_result("all " + answers + " were there before the server could have waited");
    }
}

/// What the tasks of the floor come to: talks as exchange_epoll() has them, with a sum() at the end.
template <class Talk, std::derived_from<client_case> Case>
std::vector<std::uint64_t> talk_on_floor(const Case& given, std::uint32_t seed) {
    std::vector<Talk> talks;
    talks.reserve(given.connections);
    for (std::size_t i = 0; i < given.connections; ++i) talks.emplace_back(given, seed, i);
    try {
        floor::exchange_epoll(given.server.where, std::span(talks));
    } catch (...) {
        throw_of(given.server, std::current_exception());
    }
    std::vector<std::uint64_t> sums;
    sums.reserve(talks.size());
    for (const Talk& each : talks) sums.push_back(each.sum());
    return sums;
}

/// Rows of a case that has been told its server. Without one they say what they need.
template <class Workload, class Talk>
void add_client_rows(const typename Workload::case_type& told, const options& chosen,
                     std::vector<row>& into) {
    const std::size_t before = into.size();
    add_floor_row<Workload>(told, {"floor:epoll", "epoll", {}}, chosen, into,
                            [](auto&, const auto& which, std::uint32_t seed) {
                                return talk_on_floor<Talk>(which, seed);
                            });
    add_all_rows<Workload>(told, chosen, into);
    if (!told.server.name.empty()) return;
    for (row& each : std::span(into).subspan(before)) {
        if (each.skip.empty()) each.skip = "not available: " + told.server.why_none;
    }
}

}  // namespace overlap::bench
