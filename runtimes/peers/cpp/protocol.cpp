#include "protocol.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <numeric>
#include <system_error>
#include <vector>

using nlohmann::json;

struct flight {
    std::int64_t start_ns;
    std::int64_t end_ns;
};

/// Room for as many flights as a run has tasks, taken in the order in which they start.
struct flight_log {
    std::vector<flight> flights;
    std::atomic<std::size_t> started = 0;
};

namespace {

std::int64_t now_ns() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

}  // namespace

flight* note_start(flight_log* log) {
    // More than there are tasks: at() throws, and that is an error of the peer's.
    flight& taken = log->flights.at(log->started.fetch_add(1, std::memory_order_relaxed));
    taken.start_ns = now_ns();
    return &taken;
}

void note_end(flight* flight) { flight->end_ns = now_ns(); }

namespace {

static_assert(std::endian::native == std::endian::little, "files of numbers are little-endian");

/// What one request came to.
struct run_results {
    double wall_s = 0;
    std::vector<std::uint64_t> sums;  ///< Of each repetition but the last.
    std::vector<std::uint64_t> numbers;
    std::unique_ptr<flight_log> log;
};

void say(const json& answer) { std::cout << answer.dump() << std::endl; }

/// gather(i) for each repetition.
template <class Gather>
double timed(std::size_t repeat, Gather&& gather) {
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < repeat; ++i) gather(i);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::size_t leaves_of(const gather_case& spec) {
    std::size_t leaves = 1;
    for (std::size_t level = 0; level < spec.depth; ++level) leaves *= spec.fan_out;
    return leaves;
}

/// All tasks of a tree but its root.
std::size_t tasks_of(const gather_case& spec) {
    std::size_t tasks = 0;
    for (std::size_t level = 0; level < spec.depth; ++level) tasks = spec.fan_out * (tasks + 1);
    return tasks;
}

/// One request to run, on its way from words to numbers.
class running {
public:
    running(workloads& peer, const json& request)
        : peer_(peer), case_(request.at("case")), seed_(request.at("seed")),
          repeat_(request.at("repeat")), trace_(request.at("trace")) {}

    run_results run(const std::string& workload) {
        if (workload == "sleeps") {
            sleeps();
        } else if (workload == "gather") {
            gather();
        } else if (workload == "heartbeat") {
            heartbeat();
        } else if (workload == "mix") {
            mix();
        } else if (workload == "cancel") {
            cancel();
        } else if (workload == "ping_pong") {
            ping_pong();
        } else if (workload == "channel") {
            channel();
        } else if (workload == "echo" ||
                   (workload == "echo_with_deadlines" && peer_.has_deadlines())) {
            echo();
        } else {
            throw no_workload();
        }
        return std::move(done_);
    }

private:
    void sleeps() {
        const auto listed = case_.at("listed_ns").get<std::vector<std::int64_t>>();
        const sleeps_case spec{.tasks = case_.at("tasks"),
                               .shortest_ns = case_.at("shortest_ns"),
                               .longest_ns = case_.at("longest_ns"),
                               .seed = std::stoull(case_.at("seed").get<std::string>()),
                               .listed_ns = listed.empty() ? nullptr : listed.data()};
        make_room(spec.tasks, spec.tasks);
        // A number of 64 bits is written with its sign or without, and read the same way.
        const std::span late_ns(reinterpret_cast<std::int64_t*>(done_.numbers.data()), spec.tasks);
        time([&](std::size_t) { peer_.sleeps(spec, late_ns, done_.log.get()); });
    }

    void gather() {
        gather_case spec{.fan_out = case_.at("fan_out"),
                         .depth = case_.at("depth"),
                         .work = case_.at("work"),
                         .heavy_leaves = case_.at("heavy_leaves"),
                         .heavy_work = case_.at("heavy_work"),
                         .seed = seed_};
        make_room(spec.fan_out, tasks_of(spec));
        done_.sums.resize(repeat_ - 1);
        const std::size_t leaves = leaves_of(spec);
        time([&](std::size_t repetition) {
            spec.seed = leaf_state(seed_, repetition * leaves);
            peer_.gather_tree(spec, done_.numbers, done_.log.get());
            if (repetition == done_.sums.size()) return;
            done_.sums[repetition] =
                std::accumulate(done_.numbers.begin(), done_.numbers.end(), std::uint64_t{0});
        });
    }

    void heartbeat() {
        const heartbeat_case spec{.tasks = case_.at("tasks"),
                                  .work = case_.at("work"),
                                  .parts = case_.at("parts"),
                                  .beats = case_.at("beats"),
                                  .interval_ns = case_.at("interval_ns"),
                                  .seed = seed_};
        std::vector<pulse> pulses(spec.tasks + 1);
        make_room(0, pulses.size());
        time([&](std::size_t) { peer_.heartbeat(spec, pulses, done_.log.get()); });
        for (const pulse& each : pulses) {
            done_.numbers.push_back(each.value);
            done_.numbers.push_back(static_cast<std::uint64_t>(each.longest_gap_ns));
            done_.numbers.push_back(static_cast<std::uint64_t>(each.mean_gap_ns));
        }
    }

    void mix() {
        const mix_case spec{.tasks = case_.at("tasks"),
                            .rounds = case_.at("rounds"),
                            .wait_ns = case_.at("wait_ns"),
                            .work = case_.at("work"),
                            .seed = seed_};
        make_room(spec.tasks, spec.tasks);
        time([&](std::size_t) { peer_.mix(spec, done_.numbers, done_.log.get()); });
    }

    void cancel() {
        const cancel_case spec{.tasks = case_.at("tasks")};
        make_room(0, spec.tasks);
        cancelled_tasks seen{};
        time([&](std::size_t) { seen = peer_.cancel(spec, done_.log.get()); });
        done_.numbers = {seen.cleaned_up, seen.woken, seen.told,
                         static_cast<std::uint64_t>(seen.took_ns)};
    }

    void ping_pong() {
        const ping_pong_case spec{
            .pairs = case_.at("pairs"), .rounds = case_.at("rounds"), .seed = seed_};
        make_room(spec.pairs, 3 * spec.pairs);
        time([&](std::size_t) { peer_.ping_pong(spec, done_.numbers, done_.log.get()); });
    }

    void channel() {
        const channel_case spec{.producers = case_.at("producers"),
                                .consumers = case_.at("consumers"),
                                .elements = case_.at("elements"),
                                .capacity = case_.at("capacity"),
                                .slow_ns = case_.at("slow_ns"),
                                .seed = seed_};
        std::vector<traffic> tasks(spec.producers + spec.consumers);
        make_room(0, tasks.size());
        time([&](std::size_t) { peer_.channel(spec, tasks, done_.log.get()); });
        for (const traffic& each : tasks) {
            done_.numbers.push_back(each.elements);
            done_.numbers.push_back(each.value);
            done_.numbers.push_back(static_cast<std::uint64_t>(each.other));
        }
    }

    void echo() {
        const echo_case spec{.connections = case_.at("connections"),
                             .buffer_bytes = case_.at("buffer_bytes"),
                             .deadline_ns = case_.value("deadline_ns", std::int64_t{0})};
        make_room(spec.connections, spec.connections);
        say({{"port", peer_.listen()}});
        time([&](std::size_t) { peer_.echo(spec, done_.numbers, done_.log.get()); });
    }

    void make_room(std::size_t numbers, std::size_t tasks) {
        done_.numbers.resize(numbers);
        if (!trace_) return;
        done_.log = std::make_unique<flight_log>();
        done_.log->flights.resize(tasks);
    }

    template <class Gather>
    void time(Gather&& gather) {
        done_.wall_s = timed(repeat_, gather);
    }

    workloads& peer_;
    const json& case_;
    const std::uint32_t seed_;
    const std::size_t repeat_;
    const bool trace_;
    run_results done_;
};

/// Numbers of 64 bits, and nothing else.
template <class Value>
void write(const std::string& path, const std::vector<Value>& values) {
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(values.data()),
               static_cast<std::streamsize>(values.size() * sizeof(Value)));
    file.close();
    if (!file) throw std::system_error(errno, std::generic_category(), path);
}

void answer(workloads& peer, const json& request, run_results& done) {
    if (request.at("request") == "run") {
        done = {};  // The memory of the last run is there for this one.
        try {
            done = running(peer, request).run(request.at("workload"));
            say({{"wall_s", done.wall_s}});
        } catch (const no_workload&) {
            say({{"no_workload", true}});
        }
        return;
    }
    write(request.at("results"), done.numbers);
    const std::string sums = request.at("sums");
    if (!sums.empty()) write(sums, done.sums);
    const std::string flights = request.at("flights");
    if (!flights.empty()) write(flights, done.log->flights);
    say({{"written", true}});
}

/// Not by exit(): destructors would wait for tasks that may not end. Whoever comes first has the word.
[[noreturn]] void give_up(const char* kind, const std::string& words) {
    static std::mutex giving_up;
    giving_up.lock();
    say({{kind, words}});
    std::_Exit(EXIT_FAILURE);
}

}  // namespace

cancelled_tasks workloads::cancel(const cancel_case&, flight_log*) { throw no_workload(); }

void workloads::channel(const channel_case&, std::span<traffic>, flight_log*) {
    throw no_workload();
}

void workloads::ping_pong(const ping_pong_case&, std::span<std::uint64_t>, flight_log*) {
    throw no_workload();
}

void tell_limit(const std::string& words) { give_up("limit", words); }

void tell_error(const std::string& words) { give_up("error", words); }

int serve(workloads& peer, const std::string& version, std::optional<std::size_t> task_limit) {
    json hello{{"version", version}, {"task_limit", nullptr}};
    if (task_limit) hello["task_limit"] = *task_limit;
    say({{"hello", hello}});
    run_results done;
    try {
        for (std::string line; std::getline(std::cin, line);) {
            answer(peer, json::parse(line), done);
        }
    } catch (const std::exception& error) {
        tell_error(error.what());
    }
    return EXIT_SUCCESS;
}
