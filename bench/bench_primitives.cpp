// What the steps that runtimes are made of cost, one by one. These run in this process, as often as
// Google Benchmark thinks fit; times are wall times.
#include "bench/backends.hpp"
#include "bench/suite.hpp"

#include <overlap/core/operation_queue.hpp>

#include <array>
#include <atomic>
#include <benchmark/benchmark.h>
#include <functional>
#include <memory>
#include <queue>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace overlap::bench {

namespace {

using benchmark::State;

// ---- dispatch: from a queue of ready things to their code ----------------------------------------

/// So many are queued and run at a time, so that the queue is in it and the cache is not.
constexpr int dispatch_batch = 100;

struct counting_operation : operation {
    explicit counting_operation(std::uint64_t& to) : operation(&count), total(&to) {}
    static void count(operation* self) noexcept {
        ++*static_cast<counting_operation*>(self)->total;
    }
    std::uint64_t* total;
};

void dispatch_operation(State& state) {
    std::uint64_t total = 0;
    std::vector<counting_operation> operations(dispatch_batch, counting_operation(total));
    operation_queue ready;
    for ([[maybe_unused]] auto batch : state) {
        for (auto& op : operations) ready.push(&op);
        while (operation* op = ready.pop()) op->done(op);
        benchmark::DoNotOptimize(total);
    }
    state.SetItemsProcessed(state.iterations() * dispatch_batch);
}

struct virtual_task {
    virtual ~virtual_task() = default;
    virtual void run() = 0;
};
struct counting_task : virtual_task {
    explicit counting_task(std::uint64_t& to) : total(&to) {}
    void run() override { ++*total; }
    std::uint64_t* total;
};

void dispatch_virtual(State& state) {
    std::uint64_t total = 0;
    std::vector<std::unique_ptr<virtual_task>> tasks;
    tasks.reserve(dispatch_batch);
    for (int i = 0; i < dispatch_batch; ++i)
        tasks.push_back(std::make_unique<counting_task>(total));
    std::queue<virtual_task*> ready;
    for ([[maybe_unused]] auto batch : state) {
        for (const auto& task : tasks) ready.push(task.get());
        for (; !ready.empty(); ready.pop()) ready.front()->run();
        benchmark::DoNotOptimize(total);
    }
    state.SetItemsProcessed(state.iterations() * dispatch_batch);
}

void dispatch_std_function(State& state) {
    std::uint64_t total = 0;
    std::queue<std::function<void()>> ready;
    // Captures as an operation has them: whom to tell, with what, and a little more. Beyond two
    // words libstdc++ allocates.
    std::array<std::uint64_t, 2> extra{1, 2};
    for ([[maybe_unused]] auto batch : state) {
        for (int i = 0; i < dispatch_batch; ++i)
            ready.emplace([&total, extra] { total += extra[0]; });
        for (; !ready.empty(); ready.pop()) ready.front()();
        benchmark::DoNotOptimize(total);
    }
    state.SetItemsProcessed(state.iterations() * dispatch_batch);
}

// ---- on a loop -----------------------------------------------------------------------------------

template <class Loop>
void post_resume(State& state) {
    Loop loop;
    coroutine<Loop> runtime(loop);
    runtime.run([](coroutine<Loop>& on, State& with) -> task<void> {
        for ([[maybe_unused]] auto turn : with) co_await on.yield();
    }(runtime, state));
    state.SetItemsProcessed(state.iterations());
}

struct stopping_operation : operation {
    explicit stopping_operation(std::function<void()> what)
        : operation(&call), then(std::move(what)) {}
    static void call(operation* self) noexcept { static_cast<stopping_operation*>(self)->then(); }
    std::function<void()> then;
};

template <class Loop>
void timer_arm_cancel(State& state) {
    Loop loop;
    const time_point deadline = loop.now() + std::chrono::hours(1);
    timer_operation timer([](operation*) noexcept {});
    stopping_operation stop([&] { loop.stop(); });
    for ([[maybe_unused]] auto turn : state) {
        loop.call_at(&timer, deadline);
        loop.cancel(&timer);
        loop.post(&stop);
        loop.run();  // Takes back the cancelled timer.
    }
    state.SetItemsProcessed(state.iterations());
}

/// A post to a loop on another thread that sleeps, and its post back: two wake-ups.
template <class Loop>
void remote_post_round_trip(State& state) {
    Loop here;
    std::atomic<Loop*> there{nullptr};
    stopping_operation back([&] { here.stop(); });
    stopping_operation forth([&] { here.post_remote(&back); });
    stopping_operation end([&] { there.load()->stop(); });
    std::thread other([&] {
        Loop loop;
        there = &loop;
        there.notify_one();
        loop.run();
    });
    there.wait(nullptr);
    for ([[maybe_unused]] auto turn : state) {
        there.load()->post_remote(&forth);
        here.run();
    }
    there.load()->post_remote(&end);
    other.join();
    state.SetItemsProcessed(state.iterations());
}

// ---- tasks ---------------------------------------------------------------------------------------

task<int> one() { co_return 1; }

template <class Loop>
void spawn_join_coroutine(State& state) {
    Loop loop;
    coroutine<Loop> runtime(loop);
    runtime.run([](coroutine<Loop>& on, State& with) -> task<void> {
        for ([[maybe_unused]] auto turn : with) {
            auto handle = on.spawn(one());
            benchmark::DoNotOptimize(co_await handle);
        }
    }(runtime, state));
    state.SetItemsProcessed(state.iterations());
}

template <class Loop>
void spawn_join_fiber(State& state) {
    Loop loop;
    fiber<Loop> runtime(loop);
    runtime.run([&] {
        for ([[maybe_unused]] auto turn : state) {
            auto handle = runtime.spawn([] { return 1; });
            benchmark::DoNotOptimize(handle.join());
        }
    });
    state.SetItemsProcessed(state.iterations());
}

void spawn_join_thread(State& state) {
    for ([[maybe_unused]] auto turn : state) {
        int result = 0;
        std::thread([&] { result = 1; }).join();
        benchmark::DoNotOptimize(result);
    }
    state.SetItemsProcessed(state.iterations());
}

void spawn_join_process(State& state) {
    for ([[maybe_unused]] auto turn : state) {
        const pid_t pid = ::fork();
        if (pid == 0) ::_exit(0);
        int status = 0;
        ::waitpid(pid, &status, 0);
        benchmark::DoNotOptimize(status);
    }
    state.SetItemsProcessed(state.iterations());
}

constexpr int chain_length = 1000;

task<int> link(int left) {
    if (left == 0) co_return 0;
    co_return 1 + co_await link(left - 1);
}

/// One await: a frame made, entered, left and freed.
void await_chain(State& state) {
    poll_loop loop;
    coroutine<poll_loop> runtime(loop);
    runtime.run([](State& with) -> task<void> {
        for ([[maybe_unused]] auto turn : with) {
            benchmark::DoNotOptimize(co_await link(chain_length));
        }
    }(state));
    state.SetItemsProcessed(state.iterations() * chain_length);
}

/// A yield: out of a fiber, through the loop's queue, and back in.
template <class Loop>
void fiber_switch(State& state) {
    Loop loop;
    fiber<Loop> runtime(loop);
    runtime.run([&] {
        for ([[maybe_unused]] auto turn : state) runtime.yield();
    });
    state.SetItemsProcessed(state.iterations());
}

template <class Loop>
void add_loop_rows(std::vector<primitive>& rows) {
    const std::string loop(Loop::name());
    const auto add = [&](const std::string& name, const std::string& backend, auto body) {
        rows.push_back(
            {"primitives/" + name + "/" + backend, loop, Loop::available().reason, body});
    };
    add("post_resume", "coroutine:" + loop, post_resume<Loop>);
    add("fiber_switch", "fiber:" + loop, fiber_switch<Loop>);
    add("timer_arm_cancel", loop, timer_arm_cancel<Loop>);
    add("remote_post_round_trip", loop, remote_post_round_trip<Loop>);
    add("spawn_join", "coroutine:" + loop, spawn_join_coroutine<Loop>);
    add("spawn_join", "fiber:" + loop, spawn_join_fiber<Loop>);
}

std::vector<primitive> all_primitives() {
    std::vector<primitive> rows = {
        {"primitives/dispatch/operation", "", "", dispatch_operation},
        {"primitives/dispatch/virtual", "", "", dispatch_virtual},
        {"primitives/dispatch/std_function", "", "", dispatch_std_function},
        {"primitives/await_chain/coroutine", "", "", await_chain},
        {"primitives/spawn_join/thread", "", "", spawn_join_thread},
        {"primitives/spawn_join/process", "", "", spawn_join_process},
    };
    add_loop_rows<uring_loop>(rows);
    add_loop_rows<epoll_loop>(rows);
    add_loop_rows<poll_loop>(rows);
    return rows;
}

}  // namespace

}  // namespace overlap::bench

int main(int argc, char** argv) {
    using namespace overlap::bench;
    return run_primitives(argc, argv, all_primitives());
}
