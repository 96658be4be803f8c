#include "bench/harness/options.hpp"

#include "bench/harness/backends.hpp"
#include "bench/harness/child.hpp"

#include <overlap/core/cores.hpp>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <regex>
#include <set>
#include <unistd.h>
#include <utility>

namespace overlap::bench {

namespace {

constexpr const char* description =
    R"(Measures one workload on every backend. Rows are named workload/case/backend.

Each row runs in a process of its own: a warm-up, the measured iterations, then one traced run. The
counters are in SI units without prefixes. Two of them say how things ran at the same time:

  concurrency  (C)  tasks in flight, averaged over the run: the sum of the tasks' spans divided
                    by the wall time (Little's law). 1000 sleeping tasks on one loop: C is 1000.
  parallelism  (P)  cores kept busy: CPU time of the backend's threads and processes divided by the
                    wall time. Those 1000 sleeping tasks: P is near 0. One loop never passes 1.

`verified` is 1 when the run proved what it did; a row that did not is an error, never a number.
A row that cannot run here says why: "not available", "limit", "would take", "timeout", "failed",
"wrong". All options of Google Benchmark work, too; the most useful:

  --benchmark_filter=<regex>  --benchmark_format=<console|json|csv>  --benchmark_out=<file>
  --benchmark_repetitions=<n>  --benchmark_enable_random_interleaving=<true|false>
  --benchmark_list_tests

Exit status: 0, or 2 for a command line or workload file that cannot be followed.)";

std::filesystem::path own_directory() {
    return std::filesystem::read_symlink("/proc/self/exe").parent_path();
}

/// The file that comes with the binary: beside it, or where `cmake --install` puts it.
std::filesystem::path own_workloads() {
    const auto beside = own_directory() / "workloads.toml";
    if (std::filesystem::exists(beside)) return std::filesystem::canonical(beside);
    return (own_directory() / "../share/overlap/workloads.toml").lexically_normal();
}

/// All backends but the floors.
std::vector<backend_summary> known_backends(const options& chosen,
                                            const std::vector<backend_summary>& extra) {
    std::vector<backend_summary> known = summaries<built_in_backends>();
    known.insert(known.end(), extra.begin(), extra.end());
    for (const plugged_loop& loop : chosen.plugged_loops) {
        for_each_backend_on(loop, [&](const auto& backend) { known.push_back(backend.summary()); });
    }
    for (const peer& each : chosen.ranks) known.push_back({each.name, "", {each.skip}});
    for (const peer& each : chosen.peers) known.push_back({each.name, "", {each.skip}});
    return known;
}

std::string in_words(const std::vector<backend_summary>& known) {
    std::string words =
        "floor (in echo floor:uring and floor:epoll, in fetch and query floor:epoll)";
    for (const backend_summary& each : known) {
        words += ", " + each.name;
        if (!each.here) words += " (not available: " + each.here.reason + ")";
    }
    return words;
}

/// Complains about a peer that has another backend's name, and names that no backend answers to.
void check_names(const options& chosen, const std::vector<backend_summary>& known) {
    for (const peer& each : chosen.peers) {
        const auto same = [&](const auto& other) { return other.name == each.name; };
        if (std::count_if(known.begin(), known.end(), same) > 1) {
            throw usage_error("two backends are called " + each.name +
                              "; a peer needs a name of its own");
        }
    }
    const auto check = [&](const std::string& name, const char* what, auto member) {
        const auto answers = [&](const auto& each) { return each.*member == name; };
        if (std::any_of(known.begin(), known.end(), answers)) return;
        const std::string hint =
            std::filesystem::exists(name) ? " (a file needs a slash: --loop=./" + name + ")" : "";
        throw usage_error(std::string("unknown ") + what + " '" + name + "'" + hint +
                          "; known backends: " + in_words(known));
    };
    for (const auto& name : chosen.loops) check(name, "loop", &backend_summary::loop);
    for (const auto& name : chosen.backends) {
        if (name == "floor" || name == "floor:uring" || name == "floor:epoll") continue;
        check(name, "backend", &backend_summary::name);
    }
}

/// Asks the plug-in at `path` in a process of its own, so that it cannot harm this one.
plugged_loop probe_plugged_loop(const std::string& path) {
    if (::access(path.c_str(), R_OK) != 0 || std::filesystem::is_directory(path)) {
        throw usage_error("--loop=" + path + ": no such plug-in; expected a shared library (see " +
                          "overlap/loop.h), or a loop's name without a slash");
    }
    try {
        adopt_orphans();
        const loop_description found = probe_loop(path);
        end_descendants();  // What a plug-in has started while it was loaded, and left.
        return {path, found.name, found.here};
    } catch (const plugin_error& error) {
        end_descendants();
        return {path, std::filesystem::path(path).stem(), {error.what()}};
    }
}

/// A plugged-in loop with a name that is taken has rows under its file's name, which say so.
void refuse_taken_name(plugged_loop& loop, const std::vector<backend_summary>& known) {
    const auto taken = [&](const std::string& name) {
        return std::any_of(known.begin(), known.end(),
                           [&](const backend_summary& each) { return each.loop == name; });
    };
    if (!taken(loop.name)) return;
    const std::string file = std::filesystem::path(loop.path).stem();
    if (taken(file)) {
        throw usage_error("--loop=" + loop.path + ": another loop is called " + file +
                          "; is it given twice?");
    }
    loop.here.reason = loop.path + ": its loop is called '" + loop.name +
                       "', as another one is; a plugged-in loop needs a name of its own";
    loop.name = file;
}

/// Names with a slash in them are files.
void take_plugged_loops(options& into, const std::vector<backend_summary>& extra) {
    std::vector<std::string> names;
    for (const auto& loop : into.loops) {
        if (loop.find('/') == std::string::npos) {
            names.push_back(loop);
        } else {
            plugged_loop found = probe_plugged_loop(loop);
            refuse_taken_name(found, known_backends(into, extra));
            into.plugged_loops.push_back(std::move(found));
        }
    }
    into.loops = std::move(names);
}

/// Ascending, each once.
std::vector<std::size_t> read_cores(const std::vector<std::string>& words) {
    std::set<std::size_t> numbers;
    for (const std::string& word : words) {
        std::size_t number = available_cores();
        const bool good = word == "all" || (CLI::detail::lexical_cast(word, number) && number > 0 &&
                                            word.front() != '-');
        if (!good || number > available_cores()) {
            throw usage_error("--cores: '" + word + "': expected numbers from 1 to " +
                              std::to_string(available_cores()) +
                              ", the cores there are here, or all");
        }
        numbers.insert(number);
    }
    return {numbers.begin(), numbers.end()};
}

/// What is said of a server.
struct server_options {
    std::string url;
    std::string why_none;
    pid_t process = 0;
};

/// The options --NAME, --no_NAME and --NAME_process.
template <class Server>
void add_server(CLI::App& parser, server_options& into, const std::string& name,
                const std::string& what, Server (*read)(const std::string&)) {
    const CLI::Validator url(
        [read](const std::string& text) {
            try {
                read(text);
                return std::string();
            } catch (const std::invalid_argument& error) {
                return std::string(error.what());
            }
        },
        "URL");
    parser.add_option("--" + name, into.url, what)->check(url);
    parser.add_option("--no_" + name, into.why_none, "Why there is none, for its rows to say")
        ->excludes("--" + name);
    parser
        .add_option("--" + name + "_process", into.process,
                    "Its process on this machine, to report its CPU time as well")
        ->check(CLI::PositiveNumber);
}

template <class Server>
Server server_of(const server_options& given, Server (*read)(const std::string&),
                 const std::string& needs) {
    Server server = given.url.empty() ? Server{} : read(given.url);
    server.process = given.process;
    server.why_none = given.why_none.empty() ? needs : one_line(given.why_none);
    return server;
}

}  // namespace

bool options::wants(std::string_view loop, std::string_view backend) const {
    const auto has = [](const std::vector<std::string>& names, std::string_view name) {
        return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
    };
    const bool plugged_in =
        std::any_of(plugged_loops.begin(), plugged_loops.end(),
                    [&](const plugged_loop& each) { return each.name == loop; });
    return has(backends, backend) && (loop.empty() || plugged_in || has(loops, loop));
}

bool options::wants_row(const std::string& name) const {
    const bool negated = filter.starts_with('-');
    const std::regex pattern(negated ? filter.substr(1) : filter);
    return filter.empty() || std::regex_search(name, pattern) != negated;
}

options take_options(std::vector<std::string>& arguments,
                     const std::vector<backend_summary>& extra) {
    options into;
    into.workload_file = own_workloads();
    into.measuring.load_binary = own_directory() / "echo_load";

    CLI::App parser(description);
    parser.set_help_flag("--help,-h", "Print this and leave");
    parser.add_option("--workloads", into.workload_file, "The workload file (TOML)")
        ->capture_default_str();
    parser
        .add_option(
            "--loop", into.loops,
            "Only these loops, separated by commas, e.g. uring,epoll; with a slash in it, as "
            "in ./libmy.so: also the loop in that plug-in (overlap/loop.h)")
        ->delimiter(',');
    parser
        .add_option("--backend", into.backends, "Only these backends, e.g. floor,coroutine:uring")
        ->delimiter(',');
    std::vector<std::string> cores;
    parser.add_option("--cores", cores, "Run each case on so many cores, in turn, e.g. 1,2,4,all")
        ->delimiter(',');
    std::vector<std::filesystem::path> peers;
    parser
        .add_option("--peers", peers,
                    "Also the peers of this directory, which ./scripts/run --peers makes, or of "
                    "these files in it, separated by commas")
        ->delimiter(',');
    std::vector<std::filesystem::path> ranks;
    parser
        .add_option("--mpi", ranks,
                    "Also ranks of MPI, as these files say, separated by commas, which "
                    "./scripts/run --mpi makes")
        ->delimiter(',');
    server_options http;
    add_server(parser, http, "http",
               "The server that has the documents of workload fetch, as in http://127.0.0.1:8080",
               &read_http_server);
    server_options postgresql;
    add_server(parser, postgresql, "postgres",
               "The server that workload query asks, as in postgresql://me@127.0.0.1:5432/bench",
               &read_postgresql_server);
    // CLI::Range takes nan for a number of any range.
    const CLI::Validator seconds(
        [](const std::string& text) {
            double value = 0;
            const bool good =
                CLI::detail::lexical_cast(text, value) && value >= 0.001 && value <= 1e6;
            return good ? "" : text + " is no number of seconds from 0.001 to 1000000";
        },
        "SECONDS");
    parser.add_option("--trace", into.measuring.trace, "Also one traced run, for C")
        ->default_str("on");
    parser.add_option("--memory", into.measuring.memory, "Also runs for memory a task as a slope")
        ->default_str("on");
    parser.add_option("--row_timeout", into.measuring.timeout_s, "Seconds that a row may take")
        ->check(seconds)
        ->capture_default_str();
    parser
        .add_option("--budget", into.budget_s,
                    "Do not run sleeps that would take longer than so many seconds")
        ->check(seconds)
        ->capture_default_str();
    parser.add_flag("--list_rows", into.list_rows, "Print all rows as JSON and leave");
    parser.allow_extras();

    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    try {
        parser.parse(reversed);
    } catch (const CLI::CallForHelp&) {
        std::cout << parser.help();
        std::exit(0);
    } catch (const CLI::ParseError& error) {
        throw usage_error(error.what());
    }
    arguments = parser.remaining();
    into.cores = read_cores(cores);
    into.http = server_of(http, &read_http_server,
                          "needs an HTTP server with the documents of fetch: ./scripts/run starts "
                          "nginx, --http names one");
    into.postgresql = server_of(postgresql, &read_postgresql_server,
                                "needs PostgreSQL with the accounts of query: ./scripts/run starts "
                                "it, --postgres names one");
    take_plugged_loops(into, extra);
    if (!peers.empty()) into.peers = read_peers(peers);
    if (!ranks.empty()) into.ranks = read_peers(ranks);
    check_names(into, known_backends(into, extra));
    return into;
}

}  // namespace overlap::bench
