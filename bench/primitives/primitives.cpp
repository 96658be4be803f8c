#include "bench/primitives/primitives.hpp"

#include "bench/harness/child.hpp"
#include "bench/harness/main_program.hpp"

#include <overlap/core/operation_queue.hpp>
#include <overlap/plugin/dynamic_loop.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <queue>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace overlap::bench {

namespace {

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

void dispatch_operation(iterations& all) {
    std::uint64_t total = 0;
    std::vector<counting_operation> operations(dispatch_batch, counting_operation(total));
    operation_queue ready;
    for (all.start(); all.next();) {
        for (auto& op : operations) ready.push(&op);
        while (operation* op = ready.pop()) op->done(op);
        benchmark::DoNotOptimize(total);
    }
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

void dispatch_virtual(iterations& all) {
    std::uint64_t total = 0;
    std::vector<std::unique_ptr<virtual_task>> tasks;
    tasks.reserve(dispatch_batch);
    for (int i = 0; i < dispatch_batch; ++i)
        tasks.push_back(std::make_unique<counting_task>(total));
    std::queue<virtual_task*> ready;
    for (all.start(); all.next();) {
        for (const auto& task : tasks) ready.push(task.get());
        for (; !ready.empty(); ready.pop()) ready.front()->run();
        benchmark::DoNotOptimize(total);
    }
}

void dispatch_std_function(iterations& all) {
    std::uint64_t total = 0;
    std::queue<std::function<void()>> ready;
    // Captures as an operation has them: whom to tell, with what, and a little more. Beyond two
    // words libstdc++ allocates.
    std::array<std::uint64_t, 2> extra{1, 2};
    for (all.start(); all.next();) {
        for (int i = 0; i < dispatch_batch; ++i)
            ready.emplace([&total, extra] { total += extra[0]; });
        for (; !ready.empty(); ready.pop()) ready.front()();
        benchmark::DoNotOptimize(total);
    }
}

// ---- without a loop ------------------------------------------------------------------------------

void spawn_join_thread(iterations& all) {
    for (all.start(); all.next();) {
        int result = 0;
        std::thread([&] { result = 1; }).join();
        benchmark::DoNotOptimize(result);
    }
}

void spawn_join_process(iterations& all) {
    for (all.start(); all.next();) {
        const pid_t pid = ::fork();
        if (pid == 0) ::_exit(0);
        int status = 0;
        ::waitpid(pid, &status, 0);
        benchmark::DoNotOptimize(status);
    }
}

constexpr int chain_length = 1000;

task<int> link(int left) {
    if (left == 0) co_return 0;
    co_return 1 + co_await link(left - 1);
}

/// One await: a frame made, entered, left and freed.
void await_chain(iterations& all) {
    poll_loop loop;
    coroutine<poll_loop> runtime(loop);
    runtime.run([](iterations& with) -> task<void> {
        for (with.start(); with.next();) {
            benchmark::DoNotOptimize(co_await link(chain_length));
        }
    }(all));
}

// ---- all of them ---------------------------------------------------------------------------------

std::vector<primitive> built_in_primitives() {
    std::vector<primitive> rows = {
        {"primitives/dispatch/operation", "", "", dispatch_operation, dispatch_batch},
        {"primitives/dispatch/virtual", "", "", dispatch_virtual, dispatch_batch},
        {"primitives/dispatch/std_function", "", "", dispatch_std_function, dispatch_batch},
        {"primitives/await_chain/coroutine", "", "", await_chain, chain_length},
        {"primitives/spawn_join/thread", "", "", spawn_join_thread},
        {"primitives/spawn_join/process", "", "", spawn_join_process},
    };
    built_in_backends::for_each([&](const auto& backend) { add_primitives_of(backend, rows); });
    return rows;
}

void add_plugged_primitives(const plugged_loop& loop, std::vector<primitive>& rows) {
    add_loop_primitives<measured_loop>(
        loop.name, loop.name, loop.here, [path = loop.path] { loop_functions = load_loop(path); },
        rows);
}

/// As many iterations as take so long are enough to see a step: calls of clocks and the process's start
/// are nothing beside them.
constexpr double enough_s = 0.2;

double seconds_a_step(const primitive& what) {
    for (std::size_t count = 1;; count *= 4) {
        iterations all(count);
        what.body(all);
        if (all.seconds() >= enough_s) {
            return all.seconds() / static_cast<double>(count * what.steps_per_iteration);
        }
    }
}

/// In a process of its own.
outcome measure_step(const primitive& what, const measuring_options& how) {
    child process(purpose::measure, {},
                  [&](session& line) { line.report("step", {{"wall_s", seconds_a_step(what)}}); });
    const std::chrono::duration<double> patience(how.timeout_s);
    try {
        const auto message =
            process.receive(clock::now() + std::chrono::duration_cast<clock::duration>(patience));
        if (!message) return {"failed: the measuring process was " + process.end(), {}, {}};
        if (message->at("kind") == "error") return {message->at("words"), {}, {}};
        const double step_s = message->at("figures").at("wall_s");
        return {"", {step_s}, {{"items_per_second", 1 / step_s}}};
    } catch (const timed_out& error) {
        return {error.what(), {}, {}};
    }
}

}  // namespace

int run_primitives(int argc, char** argv, const std::vector<backend_summary>& extra_backends,
                   const std::vector<primitive>& extra) {
    return run_entries(argc, argv, extra_backends, [&](const options& chosen) {
        if (chosen.list_rows) throw usage_error("--list_rows: primitives have no such list");
        std::vector<primitive> all = built_in_primitives();
        all.insert(all.end(), extra.begin(), extra.end());
        for (const auto& loop : chosen.plugged_loops) add_plugged_primitives(loop, all);
        std::vector<entry> entries;
        for (const primitive& each : all) {
            const std::string subject = each.name.substr(each.name.rfind('/') + 1);
            if (!chosen.wants(each.loop, subject)) continue;
            entries.push_back(
                {each.name, each.skip, 1, false,
                 [each](const measuring_options& how) { return measure_step(each, how); }});
        }
        return std::optional(entries);
    });
}

}  // namespace overlap::bench
