// libuv's workloads are in C, as libuv is; the protocol is in C++.
#include "peer.h"

#include "../cpp/protocol.hpp"

#include <uv.h>

namespace {

class libuv_workloads final : public workloads {
public:
    void sleeps(const sleeps_case& spec, std::span<std::int64_t> late_ns,
                flight_log* log) override {
        run_sleeps(&spec, late_ns.data(), log);
    }
    void gather_tree(const gather_case& spec, std::span<std::uint64_t> values,
                     flight_log* log) override {
        run_gather(&spec, values.data(), log);
    }
    void heartbeat(const heartbeat_case& spec, std::span<pulse> pulses, flight_log* log) override {
        run_heartbeat(&spec, pulses.data(), log);
    }
    void mix(const mix_case& spec, std::span<std::uint64_t> sums, flight_log* log) override {
        run_mix(&spec, sums.data(), log);
    }
    std::uint16_t listen() override { return listen_for_echo(most_waiting); }
    void echo(const echo_case& spec, std::span<std::uint64_t> echoed, flight_log* log) override {
        run_echo(&spec, echoed.data(), log);
    }
    [[nodiscard]] bool has_deadlines() const override { return true; }
    cancelled_tasks cancel(const cancel_case& spec, flight_log* log) override {
        cancelled_tasks seen{};
        run_cancel(&spec, &seen, log);
        return seen;
    }
};

}  // namespace

int main() {
    libuv_workloads peer;
    return serve(peer, std::string("libuv ") + uv_version_string());
}
