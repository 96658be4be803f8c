// std::async: a thread for each task, and a future for its result.
//
// * std::launch::async, since by default the library may put a task off until its result is asked
//   for, and then nothing overlaps.
// * At most 10,000 threads at once: each task beyond that waits until the oldest has ended.
// * Stacks are as large as the system's default: std::async has no way to ask for others.
#include "../cpp/protocol.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <functional>
#include <future>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <numeric>
#include <queue>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using std::chrono::nanoseconds;
using std::chrono::steady_clock;

/// Threads of this program that have been started and not been joined.
class thread_count {
public:
    static constexpr std::size_t most = 10'000;

    bool take() {
        if (threads_.fetch_add(1, std::memory_order_relaxed) < most) return true;
        give_back();
        return false;
    }
    void give_back() { threads_.fetch_sub(1, std::memory_order_relaxed); }

private:
    std::atomic<std::size_t> threads_ = 0;
};

thread_count threads;

template <class Task>
auto launch(const Task& task, std::size_t index) {
    try {
        return std::async(std::launch::async, run_or_tell<Task>, std::cref(task), index);
    } catch (const std::system_error& error) {
        tell_limit(std::string("a thread cannot be started: ") + error.code().message());
    }
}

/// Runs task(i) for each place i of `results`, where it puts what the task returns.
template <class Value, class Task>
void gather(std::span<Value> results, const Task& task) {
    using namespace std::chrono_literals;
    std::queue<std::future<Value>> running;  // From results[ended] on.
    std::size_t ended = 0;
    const auto await_oldest = [&] {
        results[ended++] = running.front().get();
        running.pop();
        threads.give_back();
    };
    for (std::size_t i = 0; i < results.size(); ++i) {
        // A thread that has ended keeps its stack until its future is asked.
        while (!running.empty() && running.front().wait_for(0s) == std::future_status::ready) {
            await_oldest();
        }
        bool may_start = threads.take();
        while (!may_start && !running.empty()) {
            await_oldest();
            may_start = threads.take();
        }
        if (may_start) {
            running.push(launch(task, i));
        } else {
            // Threads that wait for tasks of their own have taken all: one more could lock them up.
            results[ended++] = run_or_tell(task, i);
        }
    }
    while (!running.empty()) await_oldest();
}

/// Gives way even when there is no time to sleep: the library would return at once.
void sleep_for(nanoseconds delay) {
    if (delay > nanoseconds::zero()) {
        std::this_thread::sleep_for(delay);
    } else {
        std::this_thread::yield();
    }
}

std::int64_t sleep_once(std::int64_t delay, flight_log* log) {
    const in_flight noted(log);
    const auto deadline = steady_clock::now() + nanoseconds(delay);
    sleep_for(nanoseconds(delay));
    return nanoseconds(steady_clock::now() - deadline).count();
}

std::uint64_t compute_leaf(std::uint32_t state, std::uint32_t work, flight_log* log) {
    const in_flight noted(log);
    std::this_thread::yield();
    return leaf_value(state, work);
}

std::uint64_t compute_branch(const gather_case& spec, std::size_t index, std::size_t depth,
                             flight_log* log);

/// The children of the task `parent` of its level, which has `depth` levels below it.
void compute_children(const gather_case& spec, std::size_t parent, std::size_t depth,
                      std::span<std::uint64_t> values, flight_log* log) {
    const std::size_t first = parent * spec.fan_out;
    gather(values, [&](std::size_t child) {
        const std::size_t index = first + child;
        if (depth == 1) {
            return compute_leaf(leaf_state(spec.seed, index), work_of(&spec, index), log);
        }
        return compute_branch(spec, index, depth - 1, log);
    });
}

std::uint64_t compute_branch(const gather_case& spec, std::size_t index, std::size_t depth,
                             flight_log* log) {
    const in_flight noted(log);
    std::vector<std::uint64_t> values(spec.fan_out);
    compute_children(spec, index, depth, values, log);
    return std::accumulate(values.begin(), values.end(), std::uint64_t{0});
}

pulse beat(const heartbeat_case& spec, flight_log* log) {
    const in_flight noted(log);
    nanoseconds longest_gap{0};
    const auto first = steady_clock::now();
    auto last = first;
    for (std::size_t i = 0; i < spec.beats; ++i) {
        sleep_for(last + nanoseconds(spec.interval_ns) - steady_clock::now());
        const auto now = steady_clock::now();
        longest_gap = std::max<nanoseconds>(longest_gap, now - last);
        last = now;
    }
    const nanoseconds all = last - first;
    return {.value = 0,
            .longest_gap_ns = longest_gap.count(),
            .mean_gap_ns = all.count() / static_cast<std::int64_t>(spec.beats)};
}

pulse compute_in_parts(const heartbeat_case& spec, std::size_t index, flight_log* log) {
    const in_flight noted(log);
    std::uint64_t value = 0;
    for (std::size_t part = 0; part < spec.parts; ++part) {
        std::this_thread::yield();
        value += leaf_value(leaf_state(spec.seed, index * spec.parts + part), spec.work);
    }
    return {.value = value, .longest_gap_ns = 0, .mean_gap_ns = 0};
}

std::uint64_t wait_and_compute(const mix_case& spec, std::size_t index, flight_log* log) {
    const in_flight noted(log);
    std::uint64_t sum = 0;
    for (std::size_t round = 0; round < spec.rounds; ++round) {
        sleep_for(nanoseconds(spec.wait_ns));
        sum += leaf_value(leaf_state(spec.seed, index * spec.rounds + round), spec.work);
    }
    return sum;
}

/// A descriptor that is closed with its owner.
class descriptor {
public:
    explicit descriptor(int number, const char* made_by) : number_(number) {
        if (number < 0) throw std::system_error(errno, std::generic_category(), made_by);
    }
    ~descriptor() { ::close(number_); }
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;

    [[nodiscard]] int number() const { return number_; }

private:
    int number_;
};

/// Of a system call that has failed unless it returned 0 or more.
ssize_t check(ssize_t returned, const char* call) {
    if (returned < 0) throw std::system_error(errno, std::generic_category(), call);
    return returned;
}

void send_all(int connection, const char* bytes, std::size_t size) {
    while (size > 0) {
        const auto sent =
            static_cast<std::size_t>(check(::send(connection, bytes, size, MSG_NOSIGNAL), "send"));
        bytes += sent;
        size -= sent;
    }
}

/// A deadline is the socket's SO_RCVTIMEO, which holds for each read: recv fails with EAGAIN.
void set_deadline(int connection, std::int64_t deadline_ns) {
    constexpr std::int64_t ns_per_s = 1'000'000'000;
    const timeval wait{.tv_sec = deadline_ns / ns_per_s, .tv_usec = deadline_ns % ns_per_s / 1000};
    check(::setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait), "SO_RCVTIMEO");
}

std::uint64_t serve_one(int listener, const echo_case& spec, flight_log* log) {
    const in_flight noted(log);
    const descriptor connection(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC), "accept");
    const int on = 1;
    check(::setsockopt(connection.number(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on),
          "TCP_NODELAY");
    if (spec.deadline_ns != 0) set_deadline(connection.number(), spec.deadline_ns);
    std::vector<char> buffer(spec.buffer_bytes);
    std::uint64_t echoed = 0;
    while (const auto size = static_cast<std::size_t>(
               check(::recv(connection.number(), buffer.data(), buffer.size(), 0), "recv"))) {
        send_all(connection.number(), buffer.data(), size);
        echoed += size;
    }
    return echoed;
}

class async_workloads final : public workloads {
public:
    async_workloads() {
        const sockaddr_in any_port{.sin_family = AF_INET,
                                   .sin_port = 0,
                                   .sin_addr = {.s_addr = ::htonl(INADDR_LOOPBACK)},
                                   .sin_zero = {}};
        check(::bind(listener_.number(), reinterpret_cast<const sockaddr*>(&any_port),
                     sizeof any_port),
              "bind");
        check(::listen(listener_.number(), most_waiting), "listen");
    }

    void sleeps(const sleeps_case& spec, std::span<std::int64_t> late_ns,
                flight_log* log) override {
        gather(late_ns, [&](std::size_t i) { return sleep_once(delay_ns(&spec, i), log); });
    }

    void gather_tree(const gather_case& spec, std::span<std::uint64_t> values,
                     flight_log* log) override {
        compute_children(spec, 0, spec.depth, values, log);
    }

    void heartbeat(const heartbeat_case& spec, std::span<pulse> pulses, flight_log* log) override {
        gather(pulses, [&](std::size_t i) {
            return i == 0 ? beat(spec, log) : compute_in_parts(spec, i - 1, log);
        });
    }

    void mix(const mix_case& spec, std::span<std::uint64_t> sums, flight_log* log) override {
        gather(sums, [&](std::size_t i) { return wait_and_compute(spec, i, log); });
    }

    std::uint16_t listen() override {
        sockaddr_in bound{};
        socklen_t size = sizeof bound;
        check(::getsockname(listener_.number(), reinterpret_cast<sockaddr*>(&bound), &size),
              "getsockname");
        return ::ntohs(bound.sin_port);
    }

    void echo(const echo_case& spec, std::span<std::uint64_t> echoed, flight_log* log) override {
        gather(echoed, [&](std::size_t) { return serve_one(listener_.number(), spec, log); });
    }

    [[nodiscard]] bool has_deadlines() const override { return true; }

private:
    descriptor listener_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"};
};

}  // namespace

int main() {
    async_workloads peer;
    return serve(peer, "libstdc++ " + std::to_string(_GLIBCXX_RELEASE), thread_count::most);
}
