// asio's C++20 coroutines on one io_context, which one thread runs.
//
// * A task is a coroutine started with co_spawn(), and a gather an asynchronous operation of ours
//   that ends when all of them have: asio's own, operator&& and make_parallel_group(), wait for as
//   many as are written down in the program.
// * Executors, sockets and timers are those of io_context rather than of any_io_executor, the
//   polymorphic wrapper that asio takes unless it is told otherwise.
// * ASIO_CONCURRENCY_HINT_UNSAFE is what the chapter on concurrency hints has for an io_context that
//   is used by one thread only: it does away with the locks, which hint 1 keeps.
#include "../cpp/protocol.hpp"
#include "../cpp/traffic.hpp"

#include <algorithm>
#include <array>
#include <asio.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/experimental/channel.hpp>
#include <chrono>
#include <exception>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

namespace {

using executor = asio::io_context::executor_type;
template <class Value>
using task = asio::awaitable<Value, executor>;
constexpr asio::use_awaitable_t<executor> use_task;

using asio::ip::tcp;
using acceptor = tcp::acceptor::rebind_executor<executor>::other;
using connection = tcp::socket::rebind_executor<executor>::other;
using timer = asio::steady_timer::rebind_executor<executor>::other;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;

/// Starts start(i) as a task for each place i of `results`, where it puts what the task returns,
/// and waits for all. Throws what the first task to fail has thrown. Where whoever waits can be cancelled,
/// so are the tasks.
template <class Value, class Start>
task<void> gather(std::span<Value> results, Start start) {
    const executor here = co_await asio::this_coro::executor;
    std::size_t running = results.size();
    std::exception_ptr failure;
    std::vector<asio::cancellation_signal> signals;
    auto start_all = [&]<class Handler>(Handler&& handler) {
        if (auto slot = asio::get_associated_cancellation_slot(handler); slot.is_connected()) {
            signals = std::vector<asio::cancellation_signal>(results.size());
            slot.assign([&](asio::cancellation_type how) {
                for (asio::cancellation_signal& each : signals) each.emit(how);
            });
        }
        // Handlers can only be moved; that of the last task to end takes this one along.
        auto* const waiter = new Handler(std::move(handler));
        for (std::size_t i = 0; i < results.size(); ++i) {
            auto ended = [&, waiter, i](std::exception_ptr error, Value value) {
                if (error && !failure) failure = error;
                results[i] = value;
                if (--running == 0) asio::dispatch(std::move(*std::unique_ptr<Handler>(waiter)));
            };
            if (signals.empty()) {
                asio::co_spawn(here, start(i), std::move(ended));
            } else {
                asio::co_spawn(here, start(i),
                               asio::bind_cancellation_slot(signals[i].slot(), std::move(ended)));
            }
        }
    };
    co_await asio::async_initiate<decltype(use_task), void()>(start_all, use_task);
    if (failure) std::rethrow_exception(failure);
}

task<std::int64_t> sleep_once(std::int64_t delay, flight_log* log) {
    const in_flight noted(log);
    const auto deadline = steady_clock::now() + nanoseconds(delay);
    timer alarm(co_await asio::this_coro::executor, deadline);
    co_await alarm.async_wait(use_task);
    co_return nanoseconds(steady_clock::now() - deadline).count();
}

/// Yields by post(), which puts the coroutine at the end of the io_context's queue.
task<std::uint64_t> compute_leaf(std::uint32_t state, std::uint32_t work, flight_log* log) {
    const in_flight noted(log);
    co_await asio::post(use_task);
    co_return leaf_value(state, work);
}

task<std::uint64_t> compute_branch(const gather_case& spec, std::size_t index, std::size_t depth,
                                   flight_log* log);

/// The children of the task `parent` of its level, which has `depth` levels below it.
task<void> compute_children(const gather_case& spec, std::size_t parent, std::size_t depth,
                            std::span<std::uint64_t> values, flight_log* log) {
    const std::size_t first = parent * spec.fan_out;
    if (depth == 1) {
        return gather(values, [&spec, first, log](std::size_t child) {
            return compute_leaf(leaf_state(spec.seed, first + child), work_of(&spec, first + child),
                                log);
        });
    }
    return gather(values, [&spec, first, depth, log](std::size_t child) {
        return compute_branch(spec, first + child, depth - 1, log);
    });
}

task<std::uint64_t> compute_branch(const gather_case& spec, std::size_t index, std::size_t depth,
                                   flight_log* log) {
    const in_flight noted(log);
    std::vector<std::uint64_t> values(spec.fan_out);
    co_await compute_children(spec, index, depth, values, log);
    co_return std::accumulate(values.begin(), values.end(), std::uint64_t{0});
}

task<pulse> beat(const heartbeat_case& spec, flight_log* log) {
    const in_flight noted(log);
    timer alarm(co_await asio::this_coro::executor);
    nanoseconds longest_gap{0};
    const auto first = steady_clock::now();
    auto last = first;
    for (std::size_t i = 0; i < spec.beats; ++i) {
        alarm.expires_at(last + nanoseconds(spec.interval_ns));
        co_await alarm.async_wait(use_task);
        const auto now = steady_clock::now();
        longest_gap = std::max<nanoseconds>(longest_gap, now - last);
        last = now;
    }
    const nanoseconds all = last - first;
    co_return pulse{.value = 0,
                    .longest_gap_ns = longest_gap.count(),
                    .mean_gap_ns = all.count() / static_cast<std::int64_t>(spec.beats)};
}

task<pulse> compute_in_parts(const heartbeat_case& spec, std::size_t index, flight_log* log) {
    const in_flight noted(log);
    std::uint64_t value = 0;
    for (std::size_t part = 0; part < spec.parts; ++part) {
        co_await asio::post(use_task);
        value += leaf_value(leaf_state(spec.seed, index * spec.parts + part), spec.work);
    }
    co_return pulse{.value = value, .longest_gap_ns = 0, .mean_gap_ns = 0};
}

task<std::uint64_t> wait_and_compute(const mix_case& spec, std::size_t index, flight_log* log) {
    const in_flight noted(log);
    timer alarm(co_await asio::this_coro::executor);
    std::uint64_t sum = 0;
    for (std::size_t round = 0; round < spec.rounds; ++round) {
        alarm.expires_after(nanoseconds(spec.wait_ns));
        co_await alarm.async_wait(use_task);
        sum += leaf_value(leaf_state(spec.seed, index * spec.rounds + round), spec.work);
    }
    co_return sum;
}

/// Long after a run of cancel.
constexpr std::chrono::hours long_wait{1};

task<int> sleep_until_cancelled(cancelled_tasks& all, std::size_t& begun, flight_log* log) {
    struct clean_up {
        ~clean_up() { ++all.cleaned_up; }
        cancelled_tasks& all;
    };
    const in_flight noted(log);
    const clean_up at_the_end{all};
    ++begun;
    timer alarm(co_await asio::this_coro::executor, long_wait);
    co_await alarm.async_wait(use_task);
    ++all.woken;
    co_return 0;
}

task<void> gather_sleepers(std::size_t tasks, cancelled_tasks& all, std::size_t& begun,
                           flight_log* log) {
    std::vector<int> nothing(tasks);
    co_await gather(std::span(nothing),
                    [&](std::size_t) { return sleep_until_cancelled(all, begun, log); });
}

/// The background task passes what it ends with through a channel.
task<void> cancel_all(const cancel_case& spec, cancelled_tasks& all, flight_log* log) {
    const executor here = co_await asio::this_coro::executor;
    asio::experimental::channel<executor, void(asio::error_code, std::exception_ptr)> joined(here,
                                                                                             1);
    asio::cancellation_signal signal;
    std::size_t begun = 0;
    asio::co_spawn(here, gather_sleepers(spec.tasks, all, begun, log),
                   asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr error) {
                       joined.try_send(asio::error_code(), error);
                   }));
    while (begun < spec.tasks) co_await asio::post(use_task);
    const auto start = steady_clock::now();
    signal.emit(asio::cancellation_type::terminal);
    try {
        if (auto error = co_await joined.async_receive(use_task)) std::rethrow_exception(error);
    } catch (const asio::system_error& error) {
        all.told = error.code() == asio::error::operation_aborted ? 1 : 0;
    }
    all.took_ns = nanoseconds(steady_clock::now() - start).count();
}

/// Its elements come with an error code. asio 1.22 drops what is in a channel that is closed, so that the
/// last producer sends an end of file to each consumer instead.
using element_channel = asio::experimental::channel<executor, void(asio::error_code, element)>;

task<traffic> produce(const channel_case& spec, element_channel& channel, channel_board& board,
                      std::size_t index, flight_log* log) {
    const in_flight noted(log);
    producer_notes notes(spec, board, index);
    while (notes.has_more()) {
        if (!channel.try_send(asio::error_code(), notes.next())) {
            notes.waits();
            co_await channel.async_send({}, notes.next(), use_task);
            notes.waited();
        }
        notes.pushed();
    }
    if (notes.ends()) {
        for (std::size_t i = 0; i < spec.consumers; ++i) {
            co_await channel.async_send(asio::error::eof, {}, use_task);
        }
    }
    co_return notes.result();
}

task<traffic> consume(const channel_case& spec, element_channel& channel, channel_board& board,
                      std::size_t index, flight_log* log) {
    const in_flight noted(log);
    consumer_notes notes(spec, board, index);
    timer alarm(co_await asio::this_coro::executor);
    for (;;) {
        asio::error_code error;
        const element got = co_await channel.async_receive(asio::redirect_error(use_task, error));
        if (error == asio::error::eof) co_return notes.result();
        asio::detail::throw_error(error, "receive");
        notes.popped(got);
        if (notes.slow() == nanoseconds(0)) continue;
        alarm.expires_after(notes.slow());
        co_await alarm.async_wait(use_task);
    }
}

task<void> pass_all(const channel_case& spec, std::span<traffic> tasks, flight_log* log) {
    element_channel channel(co_await asio::this_coro::executor, spec.capacity);
    channel_board board;
    co_await gather(tasks, [&](std::size_t i) {
        return i < spec.producers ? produce(spec, channel, board, i, log)
                                  : consume(spec, channel, board, i - spec.producers, log);
    });
}

using ball_channel = asio::experimental::channel<executor, void(asio::error_code, std::uint64_t)>;

std::uint64_t stepped(std::uint64_t state) {
    return leaf_value(static_cast<std::uint32_t>(state), 1);
}

/// Has the ball first and last.
task<std::uint64_t> serve_ball(std::uint64_t state, ball_channel& from, ball_channel& to,
                               std::uint32_t rounds, flight_log* log) {
    const in_flight noted(log);
    for (; rounds > 0; --rounds) {
        co_await to.async_send({}, stepped(state), use_task);
        state = co_await from.async_receive(use_task);
    }
    co_return state;
}

task<std::uint64_t> return_ball(ball_channel& from, ball_channel& to, std::uint32_t rounds,
                                flight_log* log) {
    const in_flight noted(log);
    for (; rounds > 0; --rounds) {
        const std::uint64_t state = co_await from.async_receive(use_task);
        co_await to.async_send({}, stepped(state), use_task);
    }
    co_return 0;
}

task<std::uint64_t> play_pair(std::uint32_t state, std::uint32_t rounds, flight_log* log) {
    const in_flight noted(log);
    const executor here = co_await asio::this_coro::executor;
    ball_channel there(here, 1);
    ball_channel back(here, 1);
    std::array<std::uint64_t, 2> ends{};
    co_await gather(std::span<std::uint64_t>(ends), [&](std::size_t player) {
        return player == 0 ? serve_ball(state, back, there, rounds, log)
                           : return_ball(there, back, rounds, log);
    });
    co_return ends.front();
}

/// A read or a timer, whichever ends first: operator|| cancels the other.
task<std::size_t> read_in_time(connection& peer, std::span<std::byte> buffer, timer& alarm,
                               nanoseconds deadline, asio::error_code& error) {
    using namespace asio::experimental::awaitable_operators;
    alarm.expires_after(deadline);
    const auto first = co_await (peer.async_read_some(asio::buffer(buffer.data(), buffer.size()),
                                                      asio::redirect_error(use_task, error)) ||
                                 alarm.async_wait(use_task));
    if (first.index() == 1) throw asio::system_error(asio::error::timed_out, "read");
    co_return std::get<0>(first);
}

/// An end of the stream is told by a code rather than thrown: it is how each connection ends.
task<std::uint64_t> serve_one(acceptor& listener, const echo_case& spec, flight_log* log) {
    const in_flight noted(log);
    connection peer = co_await listener.async_accept(use_task);
    peer.set_option(tcp::no_delay(true));
    std::vector<std::byte> buffer(spec.buffer_bytes);
    timer alarm(peer.get_executor());
    std::uint64_t echoed = 0;
    for (;;) {
        asio::error_code error;
        const std::size_t size =
            spec.deadline_ns == 0
                ? co_await peer.async_read_some(asio::buffer(buffer),
                                                asio::redirect_error(use_task, error))
                : co_await read_in_time(peer, buffer, alarm, nanoseconds(spec.deadline_ns), error);
        if (error == asio::error::eof) co_return echoed;
        asio::detail::throw_error(error, "read");
        co_await asio::async_write(peer, asio::buffer(buffer, size), use_task);
        echoed += size;
    }
}

class asio_workloads final : public workloads {
public:
    asio_workloads() : listener_(io_.get_executor()) {
        listener_.open(tcp::v4());
        listener_.bind({asio::ip::address_v4::loopback(), 0});
        listener_.listen(most_waiting);
    }

    void sleeps(const sleeps_case& spec, std::span<std::int64_t> late_ns,
                flight_log* log) override {
        run(gather(late_ns, [&](std::size_t i) { return sleep_once(delay_ns(&spec, i), log); }));
    }

    void gather_tree(const gather_case& spec, std::span<std::uint64_t> values,
                     flight_log* log) override {
        run(compute_children(spec, 0, spec.depth, values, log));
    }

    void heartbeat(const heartbeat_case& spec, std::span<pulse> pulses, flight_log* log) override {
        run(gather(pulses, [&](std::size_t i) {
            return i == 0 ? beat(spec, log) : compute_in_parts(spec, i - 1, log);
        }));
    }

    void mix(const mix_case& spec, std::span<std::uint64_t> sums, flight_log* log) override {
        run(gather(sums, [&](std::size_t i) { return wait_and_compute(spec, i, log); }));
    }

    std::uint16_t listen() override { return listener_.local_endpoint().port(); }

    void echo(const echo_case& spec, std::span<std::uint64_t> echoed, flight_log* log) override {
        run(gather(echoed, [&](std::size_t) { return serve_one(listener_, spec, log); }));
    }

    [[nodiscard]] bool has_deadlines() const override { return true; }

    cancelled_tasks cancel(const cancel_case& spec, flight_log* log) override {
        cancelled_tasks seen{};
        run(cancel_all(spec, seen, log));
        return seen;
    }

    void ping_pong(const ping_pong_case& spec, std::span<std::uint64_t> states,
                   flight_log* log) override {
        run(gather(states, [&](std::size_t i) {
            return play_pair(leaf_state(spec.seed, i), spec.rounds, log);
        }));
    }

    void channel(const channel_case& spec, std::span<traffic> tasks, flight_log* log) override {
        run(pass_all(spec, tasks, log));
    }

private:
    void run(task<void> root) {
        std::exception_ptr failure;
        asio::co_spawn(io_, std::move(root), [&](std::exception_ptr error) { failure = error; });
        io_.restart();
        io_.run();
        if (failure) std::rethrow_exception(failure);
    }

    asio::io_context io_{ASIO_CONCURRENCY_HINT_UNSAFE};
    acceptor listener_;
};

std::string version() {
    return "asio " + std::to_string(ASIO_VERSION / 100'000) + "." +
           std::to_string(ASIO_VERSION / 100 % 1000) + "." + std::to_string(ASIO_VERSION % 100);
}

}  // namespace

int main() {
    asio_workloads peer;
    return serve(peer, version());
}
