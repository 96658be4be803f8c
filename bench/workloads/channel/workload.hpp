// Channel: what a run of it is, and what it has to show.
#pragma once

#include "bench/harness/backend_rows.hpp"
#include "bench/workloads/channel/board.hpp"
#include "bench/workloads/channel/body.hpp"
#include "bench/workloads/channels.hpp"

#include <overlap/process/process_channel.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace overlap::bench {

/// For a coroutine runtime without channels, which has no row: see cannot_run().
inline task<std::vector<traffic>> pass_nothing() { co_return std::vector<traffic>(); }

class channel_workload : public workload_defaults<channel_case, traffic> {
public:
    explicit channel_workload(const channel_case& given)
        : board_(given), between_processes_(given.capacity) {}

    static constexpr const char* unit = "element";
    static std::size_t work_items(const channel_case& given) { return given.all_elements(); }
    static double expected_s(const channel_case& given, std::size_t) { return given.sleeping_s(); }
    static channel_case warm_up(channel_case given);

    static constexpr bool needs_all_in_flight = true;  // Producers wait for consumers.
    template <class Backend>
    static std::string cannot_run(const channel_case&, const Backend&) {
        const bool has_one =
            makes_channels<typename Backend::runtime_type, element> || Backend::uses_processes;
        return has_one ? "" : no_channel;
    }

    void begin(session&, const channel_case&, std::size_t) {
        board_.clear();
        between_processes_.open();
    }
    template <class Runtime, class Log>
    auto root(Runtime& runtime, const channel_case& given, std::uint32_t seed, Log& log) {
        if constexpr (makes_channels<Runtime, element>) {
            return pass_all(runtime, given, seed, board_, log);
        } else if constexpr (direct_runtime<Runtime>) {
            return pass_through(runtime, given, seed, between_processes_, board_, log);
        } else {
            return pass_nothing();
        }
    }
    static counters check(const channel_case& given, std::uint32_t seed,
                          const std::vector<traffic>& seen, double wall_s);

    static void add_rows(const channel_case& given, const options& chosen, std::vector<row>& into);

private:
    channel_board board_;
    process_channel<element> between_processes_;
};

}  // namespace overlap::bench
