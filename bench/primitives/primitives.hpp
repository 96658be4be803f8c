// Primitives: the steps that runtimes are made of, one by one.
//
// Each is measured in a process of its own, as rows are: as many steps as take a fifth of a second
// or so, and the wall time of one.
#pragma once

#include "bench/harness/backends.hpp"
#include "bench/harness/plugged_loop.hpp"

#include <atomic>
#include <benchmark/benchmark.h>
#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace overlap::bench {

/// What a primitive's body goes through, as in `for (all.start(); all.next();)`: so many iterations, and
/// a stopwatch that runs from the first to the end of the last.
class iterations {
public:
    explicit iterations(std::size_t count) : left_(count) {}

    void start() { begin_ = clock::now(); }
    /// Whether there is one more.
    bool next() {
        if (left_-- != 0) return true;
        end_ = clock::now();
        return false;
    }
    /// Of all iterations together.
    [[nodiscard]] double seconds() const {
        return std::chrono::duration<double>(end_ - begin_).count();
    }

private:
    using clock = std::chrono::steady_clock;

    std::size_t left_;
    clock::time_point begin_;
    clock::time_point end_;
};

/// One row.
struct primitive {
    std::string name;
    std::string loop;                       ///< That it is about; empty: none in particular.
    std::string skip;                       ///< Why it cannot be measured here; empty: it can.
    std::function<void(iterations&)> body;  ///< Runs in the measuring process.
    std::size_t steps_per_iteration = 1;
};

// ---- on a loop -----------------------------------------------------------------------------------

template <class Loop>
void post_resume(iterations& all) {
    Loop loop;
    coroutine<Loop> runtime(loop);
    runtime.run([](coroutine<Loop>& on, iterations& with) -> task<void> {
        for (with.start(); with.next();) co_await on.yield();
    }(runtime, all));
}

struct stopping_operation : operation {
    explicit stopping_operation(std::function<void()> what)
        : operation(&call), then(std::move(what)) {}
    static void call(operation* self) noexcept { static_cast<stopping_operation*>(self)->then(); }
    std::function<void()> then;
};

/// A post and the call of what was posted, with no runtime about it.
template <class Loop>
void post_run(iterations& all) {
    Loop loop;
    stopping_operation count([&] {
        if (all.next()) {
            loop.post(&count);
        } else {
            loop.stop();
        }
    });
    all.start();
    if (all.next()) loop.post(&count);
    loop.run();
}

template <class Loop>
void timer_arm_cancel(iterations& all) {
    Loop loop;
    const time_point deadline = loop.now() + std::chrono::hours(1);
    timer_operation timer([](operation*) noexcept {});
    stopping_operation stop([&] { loop.stop(); });
    for (all.start(); all.next();) {
        loop.call_at(&timer, deadline);
        loop.cancel(&timer);
        loop.post(&stop);
        loop.run();  // Takes back the cancelled timer.
    }
}

/// A post to a loop on another thread that sleeps, and its post back: two wake-ups.
template <class Loop>
void remote_post_round_trip(iterations& all) {
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
    for (all.start(); all.next();) {
        there.load()->post_remote(&forth);
        here.run();
    }
    there.load()->post_remote(&end);
    other.join();
}

// ---- tasks ---------------------------------------------------------------------------------------

inline task<int> one() { co_return 1; }

template <class Loop>
void spawn_join_coroutine(iterations& all) {
    Loop loop;
    coroutine<Loop> runtime(loop);
    runtime.run([](coroutine<Loop>& on, iterations& with) -> task<void> {
        for (with.start(); with.next();) {
            auto handle = on.spawn(one());
            benchmark::DoNotOptimize(co_await handle);
        }
    }(runtime, all));
}

template <class Loop>
void spawn_join_fiber(iterations& all) {
    Loop loop;
    fiber<Loop> runtime(loop);
    runtime.run([&] {
        for (all.start(); all.next();) {
            auto handle = runtime.spawn([] { return 1; });
            benchmark::DoNotOptimize(handle.join());
        }
    });
}

/// A yield: out of a fiber, through the loop's queue, and back in.
template <class Loop>
void fiber_switch(iterations& all) {
    Loop loop;
    fiber<Loop> runtime(loop);
    runtime.run([&] {
        for (all.start(); all.next();) runtime.yield();
    });
}

/// The primitives that need a loop, on loops of type `Loop`, which tables call `name`. `prepare` is
/// called first in the measuring process.
template <class Loop>
void add_loop_primitives(const std::string& loop, const std::string& name, const availability& here,
                         const std::function<void()>& prepare, std::vector<primitive>& rows) {
    const auto add = [&](const std::string& step, const std::string& backend, auto body) {
        const std::string skip = here ? "" : "not available: " + here.reason;
        rows.push_back({"primitives/" + step + "/" + backend, loop, skip, [=](iterations& all) {
                            prepare();
                            body(all);
                        }});
    };
    add("post_resume", "coroutine:" + name, post_resume<Loop>);
    add("fiber_switch", "fiber:" + name, fiber_switch<Loop>);
    add("post_run", name, post_run<Loop>);
    add("timer_arm_cancel", name, timer_arm_cancel<Loop>);
    add("remote_post_round_trip", name, remote_post_round_trip<Loop>);
    add("spawn_join", "coroutine:" + name, spawn_join_coroutine<Loop>);
    add("spawn_join", "fiber:" + name, spawn_join_fiber<Loop>);
}

/// The same for each loop of a backend_list: directly, and through the C table, for what that costs.
template <class Loop>
void add_primitives_of(const loop_backend<coroutine, Loop>&, std::vector<primitive>& rows) {
    const std::string name(Loop::name());
    add_loop_primitives<Loop>(name, name, Loop::available(), [] {}, rows);
    add_loop_primitives<measured_loop>(
        name, name + "_table", Loop::available(), [] { loop_functions = table_of<Loop>; }, rows);
}
template <class Other>
void add_primitives_of(const Other&, std::vector<primitive>&) {}  // Its loop has been seen.

/// Returns the exit status. `extra` are beside the built-in ones; `extra_backends` are what they are
/// about.
int run_primitives(int argc, char** argv, const std::vector<backend_summary>& extra_backends,
                   const std::vector<primitive>& extra);

/// The main program of bench_primitives, with those of `Extra` (with_loop<my::loop>) beside the
/// built-in loops. Returns the exit status.
template <class Extra = no_backends>
int run_primitives(int argc, char** argv) {
    std::vector<primitive> extra;
    Extra::for_each([&](const auto& backend) { add_primitives_of(backend, extra); });
    return run_primitives(argc, argv, summaries<Extra>(), extra);
}

}  // namespace overlap::bench
