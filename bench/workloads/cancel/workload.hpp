// Cancel: what a run of it is, and what it has to show.
#pragma once

#include "bench/harness/backend_rows.hpp"
#include "bench/workloads/cancel/body.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

namespace overlap::bench {

class cancel_workload : public workload_defaults<cancel_case, std::int64_t> {
public:
    explicit cancel_workload(const cancel_case&) {}

    static std::size_t result_count(const cancel_case&) { return 4; }
    /// All sleep before the first is cancelled.
    static constexpr bool needs_all_in_flight = true;
    static std::size_t least_in_flight(const cancel_case&, std::size_t possible) {
        return possible;
    }
    template <class Backend>
    static std::string cannot_run(const cancel_case&, const Backend&) {
        if (cancelling_runtime<typename Backend::runtime_type>) return {};
        return "no workload: it cannot cancel a task and all that it waits for";
    }
    static bool has_memory(const cancel_case& given, bool uses_processes);
    static cancel_case for_memory(cancel_case given, const memory_run& how);

    template <class Runtime, class Log>
    auto root(Runtime& runtime, const cancel_case& given, std::uint32_t, Log& log) {
        is_traced_ = !std::is_same_v<Log, no_log>;
        if constexpr (cancelling_runtime<Runtime>) {
            return cancel_all(runtime, given, log);
        } else {
            return cancel_none(runtime);
        }
    }
    counters check(const cancel_case& given, std::uint32_t,
                   const std::vector<std::int64_t>& results, double wall_s);

    static void add_rows(const cancel_case& given, const options& chosen, std::vector<row>& into);

private:
    double held_bytes_ = 0;  ///< After the first run; 0 before.
    bool is_traced_ = false;
};

}  // namespace overlap::bench
