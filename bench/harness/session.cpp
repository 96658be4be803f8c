#include "bench/harness/session.hpp"

#include <overlap/core/cores.hpp>
#include <overlap/core/error.hpp>
#include <overlap/core/runtime.hpp>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sched.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

namespace overlap::bench {

namespace {

using nlohmann::json;

/// What begin and end of a measurement take themselves: the harness's cost of one iteration.
double harness_cost_s(const std::function<process_usage()>& usage) {
    constexpr int rounds = 31;
    std::vector<double> costs;
    for (int i = 0; i < rounds; ++i) {
        const auto start = std::chrono::steady_clock::now();
        usage();
        seconds_since(start);
        usage();
        costs.push_back(seconds_since(start));
    }
    std::nth_element(costs.begin(), costs.begin() + rounds / 2, costs.end());
    return costs[rounds / 2];
}

}  // namespace

std::string one_line(const std::string& said) {
    constexpr std::size_t longest = 300;
    const json cut = said.substr(0, longest);
    const auto replace = json::error_handler_t::replace;
    std::string line = json::parse(cut.dump(-1, ' ', false, replace)).get<std::string>();
    for (std::size_t i = 0; i < line.size(); ++i) {
        const auto byte = static_cast<unsigned char>(line[i]);
        if (byte < 0x20 || byte == 0x7f) line[i] = ' ';
        // U+0080 to U+009F, which terminals may follow, too, are these two bytes.
        const auto next = static_cast<unsigned char>(line[std::min(i + 1, line.size() - 1)]);
        if (byte == 0xc2 && next < 0xa0) line.replace(i, 2, 1, ' ');
    }
    return line;
}

void session::send(const json& message) {
    const std::string line = message.dump() + "\n";
    std::size_t sent = 0;
    while (sent < line.size()) {
        const auto written = ::send(line_, line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
        if (written < 0 && errno != EINTR) throw_errno(errno, "send to the benchmark binary");
        if (written > 0) sent += static_cast<std::size_t>(written);
    }
}

void session::ready_for_load(std::uint16_t port, const server_load& load, std::size_t task_limit) {
    send({{"kind", "ready"},
          {"port", port},
          {"connections", load.connections},
          {"messages", load.messages},
          {"bytes", load.bytes},
          {"rate", load.rate},
          {"arrivals", load.arrivals},
          {"work", load.work},
          {"one_in", load.one_in},
          {"at_once", std::min(load.connections, task_limit)}});
}

double session::run(const std::string& label, std::size_t repeat,
                    const std::function<process_usage()>& usage, const std::function<void()>& timed,
                    const std::function<counters(double wall_s)>& figures_of) {
    const process_usage before = usage();
    const auto start = std::chrono::steady_clock::now();
    timed();
    const double wall = seconds_since(start);
    const process_usage after = usage();
    counters figures = figures_of(wall);
    const auto each = static_cast<double>(repeat);
    figures["wall_s"] = wall / each;
    figures["user_s"] = (after.user_s - before.user_s) / each;
    figures["system_s"] = (after.system_s - before.system_s) / each;
    figures["voluntary_switches"] =
        static_cast<double>(after.voluntary_switches - before.voluntary_switches) / each;
    figures["involuntary_switches"] =
        static_cast<double>(after.involuntary_switches - before.involuntary_switches) / each;
    figures["harness_share"] = harness_cost_s(usage) / wall;
    report(label, figures);
    return wall / each;
}

void session::report(const std::string& kind, const counters& figures) {
    send({{"kind", kind}, {"figures", figures}});
}

void session::report_error(const std::string& words) {
    send({{"kind", "error"}, {"words", one_line(words)}});
}

double peak_memory_bytes(pid_t process) {
    const std::string path = "/proc/" + std::to_string(process) + "/status";
    std::ifstream status(path);
    const std::string field = "VmHWM:";
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with(field)) return 1024.0 * std::stod(line.substr(field.size()));
    }
    throw std::runtime_error("no VmHWM in " + path);
}

void hold_to_cores(std::size_t cores) {
    if (cores == 0) return;
    std::vector<cpu_set_t> mask = overlap::detail::affinity_mask();
    const std::size_t bytes = mask.size() * sizeof(cpu_set_t);
    std::size_t kept = 0;
    for (std::size_t core = 0; core < 8 * bytes; ++core) {
        if (!CPU_ISSET_S(core, bytes, mask.data())) continue;
        if (kept == cores) {
            CPU_CLR_S(core, bytes, mask.data());
        } else {
            ++kept;
        }
    }
    if (kept < cores) {
        throw limit_error("needs " + std::to_string(cores) + " cores, has " + std::to_string(kept));
    }
    check_errno(::sched_setaffinity(0, bytes, mask.data()), "sched_setaffinity");
}

}  // namespace overlap::bench
