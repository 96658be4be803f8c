// echo_load: closed-loop load for any TCP echo server, with every byte checked.
#include "closed_loop.hpp"
#include "report.hpp"

#include <overlap/core/runtime.hpp>

#include <CLI/CLI.hpp>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>
#include <unistd.h>

namespace {

using overlap::load::load_options;
using overlap::load::usage_error;

constexpr const char* purpose =
    R"(Load for a TCP echo server. Every connection keeps one message outstanding: it sends the next
one when the last has come back whole. No two messages of a run are alike (up to 8 bytes, as far
as their size allows), and every byte that comes back is compared.

All connections are open before the clock starts. A connection that has had its messages is shut
down, unless --at-once holds it open. One thread generates the load; give it a core that the server
does not need.)";

constexpr const char* explanation = R"(Try it on any echo server, for example
  socat TCP-LISTEN:7000,fork,reuseaddr,nodelay PIPE &
  ncat --listen --keep-open 7000 --exec /bin/cat &
then
  echo_load --port 7000 --connections 10 --messages 10000 --bytes 64

What the figures mean (--json has them under these keys, in seconds and bytes)
  wall_s            from the first message sent to the last reply received
  messages_per_s    replies / wall_s
  latency_*_s       of one message: before it is sent until its last byte is read. Percentiles are
                    exact; p99 needs 299 messages, p99.9 needs 2,995, else they are left out
  bytes_echoed      bytes that came back, all of them as sent
  cpu_s             this program's own CPU time over wall_s, not the server's
  little_error      how far the run is from Little's law: connections with a message outstanding =
                    messages_per_s * latency_mean_s. A closed loop must agree within 0.05, or
                    the time between a reply and the next message is not negligible
  generator_idle    share of wall_s that this program spent waiting for replies
  generator_bound   true if generator_idle is under 0.1: replies then queue here, so the rate and
                    the latencies are this program's, and only the server's CPU is comparable
  verified          1: without a receipt for every byte there is no result

Exit code: 0 all bytes came back, 1 the server or a limit of the machine ended the run, 2 the
request makes no sense. In the last two cases one line on stderr says why.)";

struct command {
    load_options load;
    double timeout_s = 10;
    bool json = false;
};

// Unlike CLI::Range it does not let "nan" pass.
std::string check_duration(const std::string& text) {
    double seconds = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, seconds);
    const bool fine = error == std::errc{} && stop == end && seconds >= 0.001 && seconds <= 86400;
    return fine ? "" : "Value " + text + " not in range 0.001 to 86400 seconds";
}

// The bounds are what only a mistake exceeds; a request within them may still need more memory or
// descriptors than there are.
void describe(CLI::App& app, command& request) {
    load_options& load = request.load;
    app.add_option("--port", load.port, "Where the server listens")
        ->required()
        ->check(CLI::Range(1, 65535));
    app.add_option("--host", load.host, "A name or an address")->capture_default_str();
    app.add_option("--connections", load.connections, "How many, all open at once")
        ->required()
        ->check(CLI::Range(1, 1'000'000));
    app.add_option("--messages", load.messages, "Messages on each connection")
        ->required()
        ->check(CLI::Range(1, 1'000'000'000));
    app.add_option("--bytes", load.bytes, "Bytes of a message")
        ->required()
        ->check(CLI::Range(1, 1 << 30));
    app.add_option(
           "--at-once", load.at_once,
           "End no connection before so many of them have had a reply (or all, if there are "
           "fewer): who serves fewer at once runs into the timeout")
        ->check(CLI::Range(1, 1'000'000))
        ->capture_default_str();
    app.add_option("--seed", load.seed, "Chooses the bytes that are sent")
        ->check(CLI::Range(0, std::numeric_limits<int>::max()))
        ->capture_default_str();
    app.add_option("--timeout", request.timeout_s,
                   "Seconds that the server may take to accept, or to send a whole message back")
        ->check(check_duration)
        ->capture_default_str();
    app.add_flag("--json", request.json, "Print one JSON object instead of a table");
    app.footer(explanation);
}

// Two messages of each connection and every latency are kept in memory.
void require_memory(const load_options& load) {
    const double needed = static_cast<double>(load.connections) *
                          (static_cast<double>(load.messages) * sizeof(std::uint64_t) +
                           2 * static_cast<double>(load.bytes));
    const double allowed = 0.5 * static_cast<double>(::sysconf(_SC_PHYS_PAGES)) *
                           static_cast<double>(::sysconf(_SC_PAGESIZE));
    if (needed <= allowed) return;
    const auto megabytes = [](double bytes) {
        return std::to_string(static_cast<long long>(bytes / 1e6)) + " MB";
    };
    throw usage_error("--connections " + std::to_string(load.connections) + " --messages " +
                      std::to_string(load.messages) + " --bytes " + std::to_string(load.bytes) +
                      " would take " + megabytes(needed) + ", more than half of this machine's (" +
                      megabytes(allowed) + "): lower one of them");
}

int fail(int code, const std::exception& error) {
    std::fprintf(stderr, "echo_load: %s\n", error.what());
    return code;
}

constexpr int server_or_machine_failed = 1;
const std::string limit_prefix = "limit: ";
constexpr int request_makes_no_sense = 2;

/// The exit code, when all has been said.
int written() {
    if (std::cout.flush()) return 0;
    return fail(server_or_machine_failed, std::runtime_error("the result could not be written"));
}

}  // namespace

int main(int argc, char** argv) {
    command request;
    CLI::App app{purpose, "echo_load"};
    try {
        describe(app, request);
        app.parse(argc, argv);
        request.load.timeout = std::chrono::nanoseconds(std::llround(request.timeout_s * 1e9));
        require_memory(request.load);
        overlap::load::load_result result = overlap::load::run_closed_loop(request.load);
        const nlohmann::ordered_json summary = overlap::load::summarize(result);
        std::cout << (request.json ? summary.dump() + "\n" : overlap::load::to_table(summary))
                  << std::flush;
        return written();
    } catch (const CLI::Success& help) {
        app.exit(help);
        return written();
    } catch (const CLI::ParseError& error) {
        std::fprintf(stderr, "echo_load: %s (echo_load --help lists what is accepted)\n",
                     error.what());
        return request_makes_no_sense;
    } catch (const usage_error& error) {
        return fail(request_makes_no_sense, error);
    } catch (const overlap::limit_error& error) {
        return fail(server_or_machine_failed, std::runtime_error(limit_prefix + error.what()));
    } catch (const std::exception& error) {
        return fail(server_or_machine_failed, error);
    }
}
