#include "bench/workloads/serve/workload.hpp"

#include "bench/echo_load/asking.hpp"
#include "bench/peers/peer_rows.hpp"
#include "bench/workloads/computing.hpp"

#include <algorithm>
#include <string>

namespace overlap::bench {

static_assert(workload<serve_workload>);

namespace {

/// Of all messages together: the load draws them by the seed that it has unless told otherwise.
std::uint64_t steps_asked_for(const serve_case& given) {
    constexpr std::uint64_t seed_of_load = 1;
    const load::asked_work work{given.work, given.one_in};
    std::uint64_t asking = 0;
    for (std::size_t connection = 0; connection < given.connections; ++connection) {
        for (std::size_t message = 0; message < given.messages; ++message) {
            if (work.is_asked_by(seed_of_load, connection, message)) ++asking;
        }
    }
    return asking * given.work;
}

}  // namespace

/// Who computes on one core cannot be sooner than all that it is asked for.
double serve_workload::expected_s(const serve_case& given, std::size_t) {
    constexpr double step_s = 2e-9;
    const double steps = static_cast<double>(work_items(given)) /
                         static_cast<double>(given.one_in) * static_cast<double>(given.work);
    return std::max(given.due_for_s(), steps * step_s);
}

serve_case serve_workload::warm_up(serve_case given) {
    constexpr std::size_t enough = 20;  // So that some ask for nothing.
    given.messages = std::max(given.messages / 10, std::min(given.messages, enough));
    return given;
}

counters serve_workload::check(const serve_case& given, std::uint32_t,
                               const std::vector<std::uint64_t>& computed, double) {
    const std::uint64_t expected = steps_asked_for(given);
    const std::uint64_t found = sum_of(computed);
    if (found == expected) return {};
    throw wrong_result("messages asked for " + std::to_string(expected) + " steps, and " +
                       std::to_string(found) + " were computed");
}

void serve_workload::add_rows(const serve_case& given, const options& chosen,
                              std::vector<row>& into) {
    add_all_rows<serve_workload>(given, chosen, into);
}

}  // namespace overlap::bench
