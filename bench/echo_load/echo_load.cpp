// echo_load: load for any TCP echo server, with every byte checked.
#include "generator.hpp"
#include "report.hpp"
#include "request.hpp"

#include <overlap/core/runtime.hpp>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

namespace {

using namespace overlap::load;

constexpr const char* purpose =
    R"(Load for a TCP echo server: as fast as it answers (a closed loop), or at a rate (an open loop). No
two messages of a run are alike (up to 8 bytes, as far as their size allows), and every byte that
comes back is compared.

All connections are open before the clock starts. A connection that has had its messages is shut
down, unless --at-once holds it open. One thread generates the load; give it a core that the server
does not need.)";

constexpr int server_or_machine_failed = 1;
constexpr int request_makes_no_sense = 2;
const std::string limit_prefix = "limit: ";

int fail(int code, const std::exception& error) {
    std::fprintf(stderr, "echo_load: %s\n", error.what());
    return code;
}

/// The exit code, when all has been said.
int written() {
    if (std::cout.flush()) return 0;
    return fail(server_or_machine_failed, std::runtime_error("the result could not be written"));
}

latency_file run(const command& request) {
    if (!request.merge.empty()) {
        std::vector<latency_file> parts;
        parts.reserve(request.merge.size());
        for (const std::string& path : request.merge) parts.push_back(read_latency_file(path));
        return merged(parts);
    }
    const load_result result = run_load(request.load);
    std::vector<std::uint64_t> latencies_ns = measured_latencies(result);
    latency_file found;
    if (!request.histogram.empty()) found.counts = histogram_of(latencies_ns);
    found.summary = summarize(result, std::move(latencies_ns));
    return found;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{purpose, "echo_load"};
    try {
        const command request = parse(app, argc, argv);
        latency_file found = run(request);
        if (!request.histogram.empty()) {
            found.path = request.histogram;
            write(found);
        }
        std::cout << (request.json ? found.summary.dump() + "\n" : to_table(found.summary))
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
