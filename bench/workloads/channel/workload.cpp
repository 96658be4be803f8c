#include "bench/workloads/channel/workload.hpp"

#include "bench/peers/peer_rows.hpp"

#include <algorithm>
#include <string>

namespace overlap::bench {

static_assert(workload<channel_workload>);

channel_case channel_workload::warm_up(channel_case given) {
    given.elements = std::max<std::size_t>(given.elements / 10, 1);
    given.slow = nanoseconds(0);
    return given;
}

counters channel_workload::check(const channel_case& given, std::uint32_t seed,
                                 const std::vector<traffic>& seen, double wall_s) {
    traffic pushed;
    traffic popped;
    std::uint64_t expected_sum = 0;
    for (std::size_t i = 0; i < seen.size(); ++i) {
        const traffic& one = seen[i];
        traffic& all = i < given.producers ? pushed : popped;
        all.elements += one.elements;
        all.other = std::max(all.other, one.other);
        all.value = i < given.producers ? std::max(all.value, one.value) : all.value + one.value;
    }
    for (std::uint32_t p = 0; p < given.producers; ++p) {
        for (std::uint32_t i = 0; i < given.elements; ++i) {
            expected_sum += element_value(given, seed, {p, i});
        }
    }
    const std::uint64_t all = given.all_elements();
    if (pushed.elements != all || popped.elements != all) {
        throw wrong_result(std::to_string(pushed.elements) + " elements were pushed and " +
                           std::to_string(popped.elements) + " popped, expected " +
                           std::to_string(all));
    }
    if (popped.value != expected_sum) throw wrong_result("other elements were popped than pushed");
    if (popped.other != 0) throw wrong_result("elements of a producer came out of their order");
    const std::uint64_t most = given.capacity + given.consumers;
    if (pushed.value > most) {
        throw wrong_result("the channel held " + std::to_string(pushed.value) +
                           " elements, expected at most " + std::to_string(most));
    }
    if (wall_s < given.sleeping_s()) throw wrong_result("the slow consumer did not sleep");
    return {{"gap_max_s", static_cast<double>(pushed.other) * 1e-9}};
}

void channel_workload::add_rows(const channel_case& given, const options& chosen,
                                std::vector<row>& into) {
    add_all_rows<channel_workload>(given, chosen, into);
}

}  // namespace overlap::bench
