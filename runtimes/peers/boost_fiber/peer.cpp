// Boost.Fiber on one thread.
//
// * The default scheduling algorithm, round_robin: one thread has nobody to share fibers with.
// * launch::dispatch: a fiber runs as soon as it is made, up to where it first waits. Boost's own
//   fastest benchmark (performance/fiber/skynet_detach.cpp) starts its fibers so and detaches them;
//   whose stack is then given back when it ends, not when somebody joins it.
// * pooled_fixedsize_stack, of which the documentation says that it recycles stacks: the next fiber
//   has the one that was given back last. Boost's benchmarks of a million fibers have fixedsize_stack,
//   of one page or two. From the heap two pages take less memory, since the pool keeps its list in the
//   last bytes that a stack would use; but with 10,000 sleeps far more CPU time.
//   Two pages, as in performance/fiber/skynet_stealing_join.cpp: a million of the default 128 KiB
//   would be more than the kernel lets a process reserve.
// * In echo asio is where the thread waits, as the documentation's chapters on asio and on
//   scheduling algorithms of one's own show: see asio_round_robin.
#include "../cpp/protocol.hpp"
#include "../cpp/traffic.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <boost/asio/buffer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/fiber/all.hpp>
#include <boost/version.hpp>
#include <chrono>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

namespace asio = boost::asio;
namespace fibers = boost::fibers;
using boost::system::error_code;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;
using stack_pool = fibers::pooled_fixedsize_stack;
using executor = asio::io_context::executor_type;
using asio::ip::tcp;
using acceptor = tcp::acceptor::rebind_executor<executor>::other;
using connection = tcp::socket::rebind_executor<executor>::other;

constexpr std::size_t stack_bytes = 8192;
/// The pool takes twice as many at a time as the last time, and touches each: so many at most.
constexpr std::size_t first_stacks = 32;
constexpr std::size_t most_stacks = 1024;

/// Runs task(i) in a fiber for each place i of `results`, where it puts what the task returns.
template <class Value, class Task>
void gather(stack_pool& stacks, std::span<Value> results, const Task& task) {
    std::size_t running = results.size();
    fibers::promise<void> all_ended;
    for (std::size_t i = 0; i < results.size(); ++i) {
        fibers::fiber(fibers::launch::dispatch, std::allocator_arg, stacks, [&, i] {
            results[i] = run_or_tell(task, i);
            if (--running == 0) all_ended.set_value();
        }).detach();
    }
    all_ended.get_future().wait();
}

std::int64_t sleep_once(std::int64_t delay, flight_log* log) {
    const in_flight noted(log);
    const auto deadline = steady_clock::now() + nanoseconds(delay);
    boost::this_fiber::sleep_until(deadline);
    return nanoseconds(steady_clock::now() - deadline).count();
}

std::uint64_t compute_leaf(std::uint32_t state, std::uint32_t work, flight_log* log) {
    const in_flight noted(log);
    boost::this_fiber::yield();
    return leaf_value(state, work);
}

std::uint64_t compute_branch(stack_pool& stacks, const gather_case& spec, std::size_t index,
                             std::size_t depth, flight_log* log);

/// The children of the task `parent` of its level, which has `depth` levels below it.
void compute_children(stack_pool& stacks, const gather_case& spec, std::size_t parent,
                      std::size_t depth, std::span<std::uint64_t> values, flight_log* log) {
    const std::size_t first = parent * spec.fan_out;
    gather(stacks, values, [&](std::size_t child) {
        const std::size_t index = first + child;
        if (depth == 1) {
            return compute_leaf(leaf_state(spec.seed, index), work_of(&spec, index), log);
        }
        return compute_branch(stacks, spec, index, depth - 1, log);
    });
}

std::uint64_t compute_branch(stack_pool& stacks, const gather_case& spec, std::size_t index,
                             std::size_t depth, flight_log* log) {
    const in_flight noted(log);
    std::vector<std::uint64_t> values(spec.fan_out);
    compute_children(stacks, spec, index, depth, values, log);
    return std::accumulate(values.begin(), values.end(), std::uint64_t{0});
}

pulse beat(const heartbeat_case& spec, flight_log* log) {
    const in_flight noted(log);
    nanoseconds longest_gap{0};
    const auto first = steady_clock::now();
    auto last = first;
    for (std::size_t i = 0; i < spec.beats; ++i) {
        boost::this_fiber::sleep_until(last + nanoseconds(spec.interval_ns));
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
        boost::this_fiber::yield();
        value += leaf_value(leaf_state(spec.seed, index * spec.parts + part), spec.work);
    }
    return {.value = value, .longest_gap_ns = 0, .mean_gap_ns = 0};
}

std::uint64_t wait_and_compute(const mix_case& spec, std::size_t index, flight_log* log) {
    const in_flight noted(log);
    std::uint64_t sum = 0;
    for (std::size_t round = 0; round < spec.rounds; ++round) {
        boost::this_fiber::sleep_for(nanoseconds(spec.wait_ns));
        sum += leaf_value(leaf_state(spec.seed, index * spec.rounds + round), spec.work);
    }
    return sum;
}

using element_channel = fibers::buffered_channel<element>;

/// buffered_channel takes powers of two from 2 on, and holds one element fewer: the largest that holds no
/// more than may be.
std::size_t channel_size(std::size_t capacity) { return std::bit_floor(capacity + 1); }

traffic produce(const channel_case& spec, element_channel& channel, channel_board& board,
                std::size_t index, flight_log* log) {
    const in_flight noted(log);
    producer_notes notes(spec, board, index);
    while (notes.has_more()) {
        if (channel.try_push(notes.next()) == fibers::channel_op_status::full) {
            notes.waits();
            channel.push(notes.next());
            notes.waited();
        }
        notes.pushed();
    }
    if (notes.ends()) channel.close();
    return notes.result();
}

traffic consume(const channel_case& spec, element_channel& channel, channel_board& board,
                std::size_t index, flight_log* log) {
    const in_flight noted(log);
    consumer_notes notes(spec, board, index);
    element got{};
    while (channel.pop(got) == fibers::channel_op_status::success) {
        notes.popped(got);
        if (notes.slow() != nanoseconds(0)) boost::this_fiber::sleep_for(notes.slow());
    }
    return notes.result();
}

using ball_channel = fibers::buffered_channel<std::uint32_t>;

std::uint32_t stepped(std::uint32_t state) {
    return static_cast<std::uint32_t>(leaf_value(state, 1));
}

/// Has the ball first and last.
std::uint64_t serve_ball(std::uint32_t state, ball_channel& from, ball_channel& to,
                         std::uint32_t rounds, flight_log* log) {
    const in_flight noted(log);
    for (; rounds > 0; --rounds) {
        to.push(stepped(state));
        state = from.value_pop();
    }
    return state;
}

std::uint64_t return_ball(ball_channel& from, ball_channel& to, std::uint32_t rounds,
                          flight_log* log) {
    const in_flight noted(log);
    for (; rounds > 0; --rounds) to.push(stepped(from.value_pop()));
    return 0;
}

std::uint64_t play_pair(stack_pool& stacks, std::uint32_t state, std::uint32_t rounds,
                        flight_log* log) {
    const in_flight noted(log);
    ball_channel there(channel_size(1));
    ball_channel back(channel_size(1));
    std::array<std::uint64_t, 2> ends{};
    gather(stacks, std::span<std::uint64_t>(ends), [&](std::size_t player) {
        return player == 0 ? serve_ball(state, back, there, rounds, log)
                           : return_ball(there, back, rounds, log);
    });
    return ends.front();
}

/// When no fiber is ready, the thread waits in asio, and there handlers make fibers ready again. It
/// is what the documentation's own asio::round_robin comes to, without the fiber that it needs to
/// work from outside, in a handler of asio's.
class asio_round_robin final : public fibers::algo::round_robin {
public:
    explicit asio_round_robin(asio::io_context& io) : io_(io) {}

    void suspend_until(const steady_clock::time_point& deadline) noexcept override {
        if (deadline == steady_clock::time_point::max()) {
            io_.run_one();
        } else {
            io_.run_one_until(deadline);
        }
        io_.poll();  // One look at what else has happened, before fibers go on.
    }

    void notify() noexcept override {
        asio::post(io_, [] {});
    }

private:
    asio::io_context& io_;
};

/// What asio calls back, and what a fiber waits for. Both are on one thread, and asio never calls
/// back from within the call that starts an operation, so the fiber waits before it is woken.
class completion {
public:
    /// For one operation.
    auto handler() {
        return [this](error_code error, std::size_t size = 0) {
            error_ = error;
            size_ = size;
            fibers::context::active()->schedule(waiter_);
        };
    }

    error_code wait() {
        waiter_->suspend();
        return error_;
    }

    /// Throws an error's system_error.
    std::size_t wait_for_size() {
        if (const error_code error = wait()) throw boost::system::system_error(error);
        return size_;
    }

    [[nodiscard]] std::size_t size() const { return size_; }

private:
    fibers::context* waiter_ = fibers::context::active();
    error_code error_;
    std::size_t size_ = 0;
};

std::uint64_t serve_one(asio::io_context& io, acceptor& listener, std::size_t buffer_bytes,
                        flight_log* log) {
    const in_flight noted(log);
    completion done;
    connection peer(io.get_executor());
    listener.async_accept(peer, done.handler());
    done.wait_for_size();
    peer.set_option(tcp::no_delay(true));
    std::vector<std::byte> buffer(buffer_bytes);
    std::uint64_t echoed = 0;
    for (;;) {
        peer.async_read_some(asio::buffer(buffer), done.handler());
        const error_code error = done.wait();
        if (error == asio::error::eof) return echoed;
        if (error) throw boost::system::system_error(error);
        const std::size_t size = done.size();
        asio::async_write(peer, asio::buffer(buffer, size), done.handler());
        echoed += done.wait_for_size();
    }
}

class fiber_workloads final : public workloads {
public:
    fiber_workloads() : listener_(io_.get_executor()) {
        listener_.open(tcp::v4());
        listener_.bind({asio::ip::address_v4::loopback(), 0});
        listener_.listen(most_waiting);
    }

    void sleeps(const sleeps_case& spec, std::span<std::int64_t> late_ns,
                flight_log* log) override {
        gather(stacks_, late_ns,
               [&](std::size_t i) { return sleep_once(delay_ns(&spec, i), log); });
    }

    void gather_tree(const gather_case& spec, std::span<std::uint64_t> values,
                     flight_log* log) override {
        compute_children(stacks_, spec, 0, spec.depth, values, log);
    }

    void heartbeat(const heartbeat_case& spec, std::span<pulse> pulses, flight_log* log) override {
        gather(stacks_, pulses, [&](std::size_t i) {
            return i == 0 ? beat(spec, log) : compute_in_parts(spec, i - 1, log);
        });
    }

    void mix(const mix_case& spec, std::span<std::uint64_t> sums, flight_log* log) override {
        gather(stacks_, sums, [&](std::size_t i) { return wait_and_compute(spec, i, log); });
    }

    void ping_pong(const ping_pong_case& spec, std::span<std::uint64_t> states,
                   flight_log* log) override {
        gather(stacks_, states, [&](std::size_t i) {
            return play_pair(stacks_, leaf_state(spec.seed, i), spec.rounds, log);
        });
    }

    void channel(const channel_case& spec, std::span<traffic> tasks, flight_log* log) override {
        element_channel channel(channel_size(spec.capacity));
        channel_board board;
        gather(stacks_, tasks, [&](std::size_t i) {
            return i < spec.producers ? produce(spec, channel, board, i, log)
                                      : consume(spec, channel, board, i - spec.producers, log);
        });
    }

    std::uint16_t listen() override { return listener_.local_endpoint().port(); }

    /// On a thread of its own, since a thread has one algorithm: io_context::run_one_until() waits
    /// whole milliseconds, round_robin as long as asked, so that who sleeps is better off with it.
    void echo(const echo_case& spec, std::span<std::uint64_t> echoed, flight_log* log) override {
        std::thread([&] {
            fibers::use_scheduling_algorithm<asio_round_robin>(io_);
            gather(stacks_, echoed,
                   [&](std::size_t) { return serve_one(io_, listener_, spec.buffer_bytes, log); });
        }).join();
    }

private:
    stack_pool stacks_{stack_bytes, first_stacks, most_stacks};
    /// Without locks, as asio has it for one thread: nobody wakes its fibers from another.
    asio::io_context io_{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE};
    /// Without it, run_one() would return at once when fibers wait for each other only.
    asio::executor_work_guard<executor> at_work_{io_.get_executor()};
    acceptor listener_;
};

std::string version() {
    return "Boost.Fiber " + std::to_string(BOOST_VERSION / 100'000) + "." +
           std::to_string(BOOST_VERSION / 100 % 1000) + "." + std::to_string(BOOST_VERSION % 100);
}

}  // namespace

int main() {
    fiber_workloads peer;
    return serve(peer, version());
}
