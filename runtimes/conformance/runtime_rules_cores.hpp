// Rules of runtimes on several cores: where a task runs, what runs at once, and what passes from one
// thread to another. Threads that share a core keep them as well.
#pragma once

#include <overlap/conformance/runtime_rules_io.hpp>
#include <overlap/conformance/runtime_rules_waiting.hpp>
#include <overlap/conformance/runtime_tasks.hpp>
#include <overlap/core/sanitizers.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <memory>
#include <string_view>
#include <sys/types.h>
#include <unistd.h>
#include <vector>

namespace overlap::conformance {

/// A fresh runtime that is told how many cores it has, as the one argument that it is made with.
template <any_runtime Runtime, std::size_t Cores>
struct fresh_on_cores {
    Runtime runtime{Cores};
};

template <any_runtime Runtime, std::size_t Cores>
    requires requires { typename Runtime::template task<int>; }
struct fresh_on_cores<Runtime, Cores> {
    template <class T>
    using task = typename Runtime::template task<T>;

    Runtime runtime{Cores};
};

/// Whether a task that gives way ten times, and then waits, is on the same thread each time. An even
/// number, so that it would end where it began on a runtime that has it change places between two.
template <stackless_runtime Runtime>
task_of<Runtime, bool> stay_on_one_thread(Runtime& runtime, std::size_t index) {
    const pid_t thread = ::gettid();
    bool stays = true;
    for (int turn = 0; turn < 10; ++turn) {
        co_await runtime.yield();
        stays = stays && ::gettid() == thread;
    }
    co_await runtime.sleep_until(runtime.now() + std::chrono::microseconds(100) * (index % 16));
    co_return stays&& ::gettid() == thread;
}

template <direct_runtime Runtime>
task_of<Runtime, bool> stay_on_one_thread(Runtime& runtime, std::size_t index) {
    const pid_t thread = ::gettid();
    bool stays = true;
    for (int turn = 0; turn < 10; ++turn) {
        runtime.yield();
        stays = stays && ::gettid() == thread;
    }
    runtime.sleep_until(runtime.now() + std::chrono::microseconds(100) * (index % 16));
    return stays && ::gettid() == thread;
}

template <stackless_runtime Runtime>
task_of<Runtime, std::vector<bool>> gather_stays(Runtime& runtime, std::size_t n) {
    co_return co_await runtime.gather(
        n, [&runtime](std::size_t index) { return stay_on_one_thread(runtime, index); });
}

template <direct_runtime Runtime>
task_of<Runtime, std::vector<bool>> gather_stays(Runtime& runtime, std::size_t n) {
    return runtime.gather(
        n, [&runtime](std::size_t index) { return stay_on_one_thread(runtime, index); });
}

template <any_runtime Runtime>
void required_task_stays_on_its_thread() {
    constexpr std::size_t n = 500;
    fresh<Runtime> made;
    Runtime& runtime = made.runtime;
    const auto stays = run_root(runtime, [&] { return gather_stays(runtime, n); });
    for (std::size_t index = 0; index < n; ++index) {
        expect(stays[index], text("task ", index, " of ", n, " went on on another thread"),
               "a task runs on one thread from its start to its end");
    }
}

/// Computes for as long as `while_true` says, or for three seconds.
template <class Condition>
void compute_while(Condition while_true) {
    const auto begin = std::chrono::steady_clock::now();
    while (while_true() && std::chrono::steady_clock::now() - begin < std::chrono::seconds(3)) {}
}

/// Computes for a millisecond; counts[1] becomes how many did so at once at most.
inline void compute_beside_others(std::atomic<std::uint32_t>* counts) {
    const std::uint32_t at_once = ++counts[0];
    for (std::uint32_t most = counts[1];
         most < at_once && !counts[1].compare_exchange_weak(most, at_once);) {}
    const auto begin = std::chrono::steady_clock::now();
    compute_while(
        [&] { return std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(1); });
    --counts[0];
}

template <stackless_runtime Runtime>
task_of<Runtime, void> compute_once(Runtime&, std::atomic<std::uint32_t>* counts) {
    compute_beside_others(counts);
    co_return;
}

template <direct_runtime Runtime>
task_of<Runtime, void> compute_once(Runtime&, std::atomic<std::uint32_t>* counts) {
    compute_beside_others(counts);
    return;
}

template <stackless_runtime Runtime>
task_of<Runtime, void> gather_computing(Runtime& runtime, std::size_t n,
                                        std::atomic<std::uint32_t>* counts) {
    co_await runtime.gather(
        n, [&runtime, counts](std::size_t) { return compute_once(runtime, counts); });
}

template <direct_runtime Runtime>
task_of<Runtime, void> gather_computing(Runtime& runtime, std::size_t n,
                                        std::atomic<std::uint32_t>* counts) {
    runtime.gather(n, [&runtime, counts](std::size_t) { return compute_once(runtime, counts); });
}

template <any_runtime Runtime>
void required_tasks_compute_at_once() {
    const shared_counts counts(2);
    fresh<Runtime> made;
    Runtime& runtime = made.runtime;
    compute_while([&] {
        run_root(runtime, [&] { return gather_computing(runtime, 64, counts.data()); });
        return counts.data()[1] < 2;
    });
    expect(counts.data()[1] >= 2, text("of 64 tasks that compute, ", counts.data()[1], " at once"),
           "as many compute at once as there are cores");
}

/// What the tasks of the rule of timers share.
enum timer_counts : std::size_t { computes, woken, is_over, timer_count };
inline constexpr std::uint32_t enough_wakes = 20;

/// The first task computes until timers of others have come; these wait for a millisecond each time.
template <stackless_runtime Runtime>
task_of<Runtime, void> compute_or_wait(Runtime& runtime, std::atomic<std::uint32_t>* counts,
                                       std::size_t index) {
    if (index == 0) {
        counts[computes] = 1;
        compute_while([&] { return counts[woken] < enough_wakes; });
        counts[is_over] = 1;
    }
    while (counts[is_over] == 0) {
        co_await runtime.sleep_until(runtime.now() + std::chrono::milliseconds(1));
        if (counts[computes] == 1 && counts[is_over] == 0) ++counts[woken];
    }
}

template <direct_runtime Runtime>
task_of<Runtime, void> compute_or_wait(Runtime& runtime, std::atomic<std::uint32_t>* counts,
                                       std::size_t index) {
    if (index == 0) {
        counts[computes] = 1;
        compute_while([&] { return counts[woken] < enough_wakes; });
        counts[is_over] = 1;
    }
    while (counts[is_over] == 0) {
        runtime.sleep_until(runtime.now() + std::chrono::milliseconds(1));
        if (counts[computes] == 1 && counts[is_over] == 0) ++counts[woken];
    }
}

template <stackless_runtime Runtime>
task_of<Runtime, void> gather_timers(Runtime& runtime, std::size_t n,
                                     std::atomic<std::uint32_t>* counts) {
    co_await runtime.gather(n, [&runtime, counts](std::size_t index) {
        return compute_or_wait(runtime, counts, index);
    });
}

template <direct_runtime Runtime>
task_of<Runtime, void> gather_timers(Runtime& runtime, std::size_t n,
                                     std::atomic<std::uint32_t>* counts) {
    runtime.gather(n, [&runtime, counts](std::size_t index) {
        return compute_or_wait(runtime, counts, index);
    });
}

/// Of more tasks than a runtime starts before it lets another thread take some.
template <any_runtime Runtime>
void required_computing_holds_up_no_timer_of_another_thread() {
    const shared_counts counts(timer_count);
    fresh<Runtime> made;
    Runtime& runtime = made.runtime;
    run_root(runtime, [&] { return gather_timers(runtime, 1000, counts.data()); });
    expect(counts.data()[woken] >= enough_wakes,
           text("timers of other tasks that came while one computed: ", counts.data()[woken]),
           text("at least ", enough_wakes));
}

template <stackless_runtime Runtime>
task_of<Runtime, std::vector<std::size_t>> gather_trees(Runtime& runtime, std::size_t n) {
    co_return co_await runtime.gather(
        n, [&runtime](std::size_t index) { return sum_of_leaves(runtime, 3, index); });
}

template <direct_runtime Runtime>
task_of<Runtime, std::vector<std::size_t>> gather_trees(Runtime& runtime, std::size_t n) {
    return runtime.gather(
        n, [&runtime](std::size_t index) { return sum_of_leaves(runtime, 3, index); });
}

template <any_runtime Runtime>
void required_gathers_nest_on_all_threads_at_once() {
    constexpr std::size_t n = 256;
    constexpr std::size_t leaves = 64;  // Of each tree; those of tree i are 64 i, 64 i + 1, ...
    fresh<Runtime> made;
    Runtime& runtime = made.runtime;
    for (int round = 0; round < 20; ++round) {
        const auto sums = run_root(runtime, [&] { return gather_trees(runtime, n); });
        expect_equal(sums.size(), n, "results of a gather of trees");
        for (std::size_t index = 0; index < n; ++index) {
            expect_equal(sums[index], leaves * (leaves * index) + leaves * (leaves - 1) / 2,
                         text("sum of the leaves of tree ", index));
        }
    }
}

template <stackless_runtime Runtime>
task_of<Runtime, std::size_t> gather_for_ever(Runtime& runtime, std::size_t index) {
    while (index != unlimited) {  // It never is.
        const std::vector<std::size_t> squares = co_await gather_squares(runtime, 64);
        index += squares.size();
        co_await runtime.sleep_until(runtime.now());
    }
    co_return index;
}

template <direct_runtime Runtime>
task_of<Runtime, std::size_t> gather_for_ever(Runtime& runtime, std::size_t index) {
    while (index != unlimited) {  // It never is.
        const std::vector<std::size_t> squares = gather_squares(runtime, 64);
        index += squares.size();
        runtime.sleep_until(runtime.now());
    }
    return index;
}

/// Ends beside a task that does not, which nobody joins.
template <stackless_runtime Runtime>
task_of<Runtime, void> end_beside_gathers(Runtime& runtime, std::size_t turns) {
    const auto left = start(runtime, &gather_for_ever<Runtime>, 0);
    for (std::size_t turn = 0; turn < turns; ++turn) co_await runtime.yield();
}

template <direct_runtime Runtime>
task_of<Runtime, void> end_beside_gathers(Runtime& runtime, std::size_t turns) {
    const auto left = start(runtime, &gather_for_ever<Runtime>, 0);
    for (std::size_t turn = 0; turn < turns; ++turn) runtime.yield();
}

/// Standard error leads nowhere, as long as this exists: a runtime may say each time that a task is left.
/// Reports of sanitizers are let through.
class silenced_errors {
public:
    silenced_errors() {
        if (!sanitized) ::dup2(nowhere_.get(), STDERR_FILENO);
    }
    silenced_errors(const silenced_errors&) = delete;
    silenced_errors& operator=(const silenced_errors&) = delete;
    ~silenced_errors() { ::dup2(before_.get(), STDERR_FILENO); }

private:
    unique_descriptor before_{
        check_errno(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0), "dup of standard error")};
    unique_descriptor nowhere_{check_errno(::open("/dev/null", O_WRONLY | O_CLOEXEC), "/dev/null")};
};

/// What one thread has handed to another when the run ends may have arrived, or be on its way.
template <any_runtime Runtime>
void required_run_ends_while_threads_post_to_each_other() {
    require_spawn<Runtime>();
    if constexpr (spawning_runtime<Runtime>) {
        const silenced_errors nothing_is_said;
        for (std::size_t life = 0; life < 100; ++life) {
            const auto made = std::make_unique<fresh<Runtime>>();
            Runtime& runtime = made->runtime;
            run_root(runtime, [&] { return end_beside_gathers(runtime, 2 * life); });
        }
    }
}

/// Of two neighbours one connects and says a byte, the other, or one like it, accepts and returns it.
/// Whether it came back.
template <stackless_runtime Runtime>
task_of<Runtime, bool> meet_another(Runtime& runtime, const endpoint& where, int listener,
                                    std::size_t index) {
    std::array<std::byte, 1> byte{std::byte{42}};
    const bool connects = index % 2 == 1;
    const int connection =
        connects ? co_await runtime.connect(where) : co_await runtime.accept(listener);
    if (connects) co_await runtime.write(connection, byte);
    const std::size_t size = co_await runtime.read(connection, byte);
    if (!connects) co_await runtime.write(connection, byte);
    co_await runtime.close(connection);
    co_return size == 1 && byte[0] == std::byte{42};
}

template <direct_runtime Runtime>
task_of<Runtime, bool> meet_another(Runtime& runtime, const endpoint& where, int listener,
                                    std::size_t index) {
    std::array<std::byte, 1> byte{std::byte{42}};
    const bool connects = index % 2 == 1;
    const int connection = connects ? runtime.connect(where) : runtime.accept(listener);
    if (connects) runtime.write(connection, byte);
    const std::size_t size = runtime.read(connection, byte);
    if (!connects) runtime.write(connection, byte);
    runtime.close(connection);
    return size == 1 && byte[0] == std::byte{42};
}

template <stackless_runtime Runtime>
task_of<Runtime, std::vector<bool>> gather_meetings(Runtime& runtime, const endpoint& where,
                                                    int listener, std::size_t n) {
    co_return co_await runtime.gather(n, [&runtime, where, listener](std::size_t index) {
        return meet_another(runtime, where, listener, index);
    });
}

template <direct_runtime Runtime>
task_of<Runtime, std::vector<bool>> gather_meetings(Runtime& runtime, const endpoint& where,
                                                    int listener, std::size_t n) {
    return runtime.gather(n, [&runtime, where, listener](std::size_t index) {
        return meet_another(runtime, where, listener, index);
    });
}

/// The kernel gives out the lowest number that is free: what one thread has closed, another opens.
template <any_runtime Runtime>
void required_numbers_of_descriptors_pass_from_thread_to_thread() {
    constexpr std::size_t n = 16;
    const unique_descriptor listener = open_listener(endpoint{});
    const endpoint where(port_of(listener));
    fresh<Runtime> made;
    Runtime& runtime = made.runtime;
    for (int round = 0; round < 100; ++round) {
        const auto met =
            run_root(runtime, [&] { return gather_meetings(runtime, where, listener.get(), n); });
        for (std::size_t index = 0; index < n; ++index) {
            expect(met[index], text("task ", index, " of ", n, " got no byte, or another one"),
                   "each byte comes back");
        }
    }
}

/// What a runtime that is told to use several cores keeps beside runtime_rules(); fresh<Runtime> has
/// to make it so, on two or more.
template <any_runtime Runtime>
std::vector<rule> runtime_cores_rules() {
    return {
        rule_of<required_task_stays_on_its_thread<Runtime>>(
            "a task runs on one thread from its start to its end", runtime_contract),
        rule_of<required_tasks_compute_at_once<Runtime>>(
            "tasks of a gather compute at once on as many cores as there are", runtime_contract),
        rule_of<required_computing_holds_up_no_timer_of_another_thread<Runtime>>(
            "a task that computes holds up those of its own thread alone", runtime_contract),
        rule_of<required_gathers_nest_on_all_threads_at_once<Runtime>>(
            "gather may be called by a task of any of the threads", runtime_contract),
        rule_of<required_run_ends_while_threads_post_to_each_other<Runtime>>(
            "run returns when the root has ended, whatever other tasks do", runtime_contract),
        rule_of<required_numbers_of_descriptors_pass_from_thread_to_thread<Runtime>>(
            "a task's descriptors are used on its thread", runtime_contract),
    };
}

}  // namespace overlap::conformance
