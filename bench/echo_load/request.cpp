#include "request.hpp"

#include "schedule.hpp"

#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <unistd.h>

namespace overlap::load {
namespace {

constexpr const char* explanation = R"(Try it on any echo server, for example
  socat TCP-LISTEN:7000,fork,reuseaddr,nodelay PIPE &
  ncat --listen --keep-open 7000 --exec /bin/cat &
then
  echo_load --port 7000 --connections 10 --messages 10000 --bytes 64
  echo_load --port 7000 --connections 10 --rate 2000 --duration 10 --bytes 64

Closed loop or open loop
  Without --rate every connection keeps one message outstanding: how fast the server can go. With it
  messages are due at times drawn beforehand, and leave then whether or not earlier ones have come
  back: what it is like at that load. A message that waits, for a server that stalls or for one that
  is late with others, waits from when it was due. None is left out, and none makes up for lost time.

What the figures mean (--json has them under these keys, in seconds and bytes)
  wall_s            from the first message sent to the last reply received
  messages_per_s    replies / wall_s; with --rate replies while messages were due, after the warm-up
  latency_*_s       of one message: from when it is due (before it is sent) until its last byte is
                    read. Percentiles are exact; p99 needs 299 messages, p99.9 needs 2,995 and p99.99
                    29,956, else they are left out. They are never averaged: --histogram and --merge
  bytes_echoed      bytes that came back, all of them as sent
  cpu_s             this program's own CPU time over wall_s, not the server's; the last 50 us before a
                    message is due are spent looking, since sleeping threads wake late
  little_error      how far the run is from Little's law: messages outstanding =
                    messages_per_s * latency_mean_s
  generator_idle    share of the time that this program spent waiting
  generator_bound   true if generator_idle is under 0.2: replies then queue here, so the rate and
                    the latencies are this program's, and only the server's CPU is comparable
  gates             in words, why rate and latencies are not the server's; none: they are
  verified          1: without a receipt for every byte there is no result
With --work latency_* and messages_measured are of those that ask for nothing, and there are also
  messages_with_work        that ask for work, warm-up and all
  slowest_connection_ratio  the longest of all connections' mean latencies, over the median one
With --rate also
  offered_per_s, warm_up_s, messages_measured   what was asked for; those that count are due after it
  answered_share    replies for each message that was due, after the warm-up
  backlog           messages under way when the last was due
  send_lateness_p99_s   from when a message is due until it is sent: this program's own delay

Gates
  overloaded            answered_share is under 0.95
  backlog still growing in the last quarter by more than 1% of the rate, and by more than chance
  generator late        send_lateness_p99_s is over 50 us and over a tenth of latency_p50_s
  generator-bound       see above
  Little's law          is off by more than 5%: no steady state, or time lost in a closed loop

Exit code: 0 all bytes came back, 1 the server or a limit of the machine ended the run, 2 the
request makes no sense. In the last two cases one line on stderr says why.)";

// Unlike CLI::Range it does not let "nan" pass.
CLI::Validator between(double least, double most, const std::string& unit) {
    const auto check = [=](const std::string& text) -> std::string {
        double number = 0;
        const char* end = text.data() + text.size();
        const auto [stop, error] = std::from_chars(text.data(), end, number);
        if (error == std::errc{} && stop == end && number >= least && number <= most) return "";
        std::ostringstream words;
        words << std::setprecision(12) << "Value " << text << " not in range " << least << " to "
              << most << ' ' << unit;
        return words.str();
    };
    return {check, ""};
}

constexpr double longest_s = 86400;

struct options_read {
    command request;
    double timeout_s = 10;
    open_loop open;
    double duration_s = 0;
    double warm_up_s = 0;
};

// The bounds are what only a mistake exceeds; a request within them may still need more memory or
// descriptors than there are.
void describe_load(CLI::App& app, options_read& read) {
    load_options& load = read.request.load;
    app.add_option("--port", load.port, "Where the server listens")->check(CLI::Range(1, 65535));
    app.add_option("--host", load.host, "A name or an address")->capture_default_str();
    app.add_option("--connections", load.connections, "How many, all open at once")
        ->check(CLI::Range(1, 1'000'000));
    app.add_option("--messages", load.messages, "Messages on each connection")
        ->check(CLI::Range(1, 1'000'000'000));
    app.add_option("--bytes", load.bytes, "Bytes of a message")->check(CLI::Range(1, 1 << 30));
    app.add_option(
           "--at-once", load.at_once,
           "End no connection before so many of them have had a reply (or all, if there are "
           "fewer): who serves fewer at once runs into the timeout")
        ->check(CLI::Range(1, 1'000'000))
        ->capture_default_str();
    app.add_option("--seed", load.seed, "Chooses the bytes that are sent, and when they are due")
        ->check(CLI::Range(0, std::numeric_limits<int>::max()))
        ->capture_default_str();
    app.add_option("--timeout", read.timeout_s,
                   "Seconds that the server may take to accept, or to send a whole message back")
        ->check(between(0.001, longest_s, "seconds"))
        ->capture_default_str();
}

void describe_open_loop(CLI::App& app, options_read& read) {
    CLI::Option* rate =
        app.add_option("--rate", read.open.rate_per_s,
                       "Open loop: messages a second that are due, over all connections")
            ->check(between(0.001, 10'000'000, "messages a second"));
    app.add_option(
           "--arrivals", read.open.how,
           "poisson: at random, on connections drawn at random; even: at equal distances, on "
           "one connection after the other (poisson)")
        ->needs(rate)
        ->transform(CLI::CheckedTransformer(std::map<std::string, arrivals>{
            {"poisson", arrivals::poisson}, {"even", arrivals::even}}));
    app.add_option("--duration", read.duration_s,
                   "Seconds in which messages are due, instead of --messages")
        ->needs(rate)
        ->excludes("--messages")
        ->check(between(0.001, longest_s, "seconds"));
    app.add_option("--warm-up", read.warm_up_s,
                   "Seconds at the start whose messages do not count (a tenth of them)")
        ->needs(rate)
        ->check(between(0, longest_s, "seconds"));
}

void describe_work(CLI::App& app, options_read& read) {
    CLI::Option* work =
        app.add_option("--work", read.request.load.work.steps,
                       "Some messages ask the server for so many steps of xorshift32, whose result "
                       "is compared: bench/README.md, serve")
            ->needs("--rate")
            ->check(CLI::Range(1U, 4'000'000'000U));
    app.add_option("--one-in", read.request.load.work.one_in,
                   "How many messages there are for one that asks for work, drawn at random")
        ->needs(work)
        ->check(CLI::Range(2, 1'000'000'000))
        ->capture_default_str();
}

void describe_results(CLI::App& app, options_read& read) {
    app.add_flag("--json", read.request.json, "Print one JSON object instead of a table");
    app.add_option("--histogram", read.request.histogram,
                   "Keep every latency in this file, to be merged with those of other generators");
    app.add_option("--merge", read.request.merge,
                   "Send nothing: put the latencies of these files together");
    app.footer(explanation);
}

// Two messages of each connection and every latency are kept in memory; of an open loop also when each
// message is due, where, and when it was sent.
void require_memory(const load_options& load) {
    constexpr double of_closed_loop = 2 * sizeof(std::uint64_t);
    constexpr double of_open_loop = 7 * sizeof(std::uint64_t);
    const auto connections = static_cast<double>(load.connections);
    const double messages = load.open && load.open->duration_s
                                ? load.open->rate_per_s * *load.open->duration_s
                                : connections * static_cast<double>(load.messages);
    const double needed = messages * (load.open ? of_open_loop : of_closed_loop) +
                          connections * 2 * static_cast<double>(load.bytes);
    const double allowed = 0.5 * static_cast<double>(::sysconf(_SC_PHYS_PAGES)) *
                           static_cast<double>(::sysconf(_SC_PAGESIZE));
    constexpr double most_messages = std::numeric_limits<std::uint32_t>::max();
    if (needed <= allowed && (!load.open || messages <= most_messages)) return;
    const auto in_whole = [](double value) { return std::to_string(std::llround(value)); };
    throw usage_error(in_whole(messages) + " messages, and two of " + std::to_string(load.bytes) +
                      " bytes for each of " + std::to_string(load.connections) +
                      " connections, would take " + in_whole(needed / 1e6) +
                      " MB, more than half of this machine's (" + in_whole(allowed / 1e6) +
                      "): lower --messages, --duration, --bytes or --connections");
}

/// What must come back is computed before anything is sent.
void require_time(const load_options& load) {
    if (load.work.steps == 0) return;
    if (load.bytes < asked_work::least_bytes) {
        throw usage_error("--bytes " + std::to_string(load.bytes) + ": a message with --work has " +
                          std::to_string(asked_work::least_bytes) + " bytes or more");
    }
    constexpr double most_steps = 1e11;  // A minute's, 16 of them side by side.
    const double steps = static_cast<double>(message_count(load)) /
                         static_cast<double>(load.work.one_in) *
                         static_cast<double>(load.work.steps);
    if (steps <= most_steps) return;
    throw usage_error("--work " + std::to_string(load.work.steps) + ": about " +
                      std::to_string(std::llround(steps * 1e-9)) +
                      "e9 steps in all, of 100e9 at most; lower --work, --messages or --duration, "
                      "or raise --one-in");
}

void require(const CLI::App& app, std::initializer_list<const char*> names) {
    for (const char* name : names) {
        if (app.count(name) == 0) throw CLI::RequiredError(name);
    }
}

}  // namespace

command parse(CLI::App& app, int argc, char** argv) {
    options_read read;
    describe_load(app, read);
    describe_open_loop(app, read);
    describe_work(app, read);
    describe_results(app, read);
    app.parse(argc, argv);
    command& request = read.request;
    if (!request.merge.empty()) {
        for (const char* other : {"--port", "--connections", "--messages", "--rate"}) {
            if (app.count(other) > 0) throw CLI::ExcludesError("--merge", other);
        }
        return request;
    }
    require(app, {"--port", "--connections", "--bytes"});
    if (app.count("--duration") == 0) require(app, {"--messages"});
    request.load.timeout = std::chrono::nanoseconds(std::llround(read.timeout_s * 1e9));
    if (app.count("--rate") > 0) {
        if (app.count("--duration") > 0) read.open.duration_s = read.duration_s;
        if (app.count("--warm-up") > 0) read.open.warm_up_s = read.warm_up_s;
        request.load.open = read.open;
    }
    require_memory(request.load);
    require_time(request.load);
    return request;
}

}  // namespace overlap::load
