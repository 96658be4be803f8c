// Rules of runtimes that cancel: background tasks that are ended, and tasks that have a deadline.
#pragma once

#include <overlap/conformance/runtime_rules_deadlines.hpp>
#include <overlap/conformance/runtime_rules_waiting.hpp>

#include <algorithm>
#include <vector>

namespace overlap::conformance {

/// Whether a runtime cancels background tasks and has deadlines for tasks, which is not asked of all.
template <class R>
concept cancelling_runtime =
    spawning_runtime<R> &&
    ((direct_runtime<R> && requires(R& r, time_point t) {
         r.spawn([] { return std::size_t{1}; }).cancel();
         {
             r.with_deadline(t, [] { return std::size_t{1}; })
         } -> std::same_as<std::size_t>;
     }) || (stackless_runtime<R> && requires(R& r, time_point t, task_of<R, std::size_t> task) {
         r.spawn(std::move(task)).cancel();
         { r.with_deadline(t, std::move(task)) } -> overlap::detail::has_await_protocol;
     }));

template <any_runtime Runtime>
void require_cancelling() {
    if (!cancelling_runtime<Runtime>) throw does_not_apply("needs a runtime that cancels tasks");
}

/// Longer than it takes to cancel a task, and soon over for one that is not.
inline constexpr std::chrono::milliseconds long_wait{300};

template <stackless_runtime Runtime>
task_of<Runtime, std::size_t> sleep_and_count(Runtime& runtime, task_counts& counts,
                                              nanoseconds duration) {
    const counted_clean_up mark(counts);
    co_await runtime.sleep_until(runtime.now() + duration);
    co_return ++counts.went_on;
}

template <direct_runtime Runtime>
task_of<Runtime, std::size_t> sleep_and_count(Runtime& runtime, task_counts& counts,
                                              nanoseconds duration) {
    const counted_clean_up mark(counts);
    runtime.sleep_until(runtime.now() + duration);
    return ++counts.went_on;
}

template <stackless_runtime Runtime>
task_of<Runtime, std::size_t> gather_and_count(Runtime& runtime, task_counts& counts, std::size_t n,
                                               nanoseconds duration) {
    const counted_clean_up mark(counts);
    co_await runtime.gather(n, [&runtime, &counts, duration](std::size_t) {
        return sleep_and_count(runtime, counts, duration);
    });
    co_return ++counts.went_on;
}

template <direct_runtime Runtime>
task_of<Runtime, std::size_t> gather_and_count(Runtime& runtime, task_counts& counts, std::size_t n,
                                               nanoseconds duration) {
    const counted_clean_up mark(counts);
    runtime.gather(n, [&runtime, &counts, duration](std::size_t) {
        return sleep_and_count(runtime, counts, duration);
    });
    return ++counts.went_on;
}

template <stackless_runtime Runtime>
task_of<Runtime, std::size_t> read_and_count(Runtime& runtime, task_counts& counts,
                                             int connection) {
    const counted_clean_up mark(counts);
    std::array<std::byte, 1> buffer{};
    co_await runtime.read(connection, buffer);
    co_return ++counts.went_on;
}

template <direct_runtime Runtime>
task_of<Runtime, std::size_t> read_and_count(Runtime& runtime, task_counts& counts,
                                             int connection) {
    const counted_clean_up mark(counts);
    std::array<std::byte, 1> buffer{};
    runtime.read(connection, buffer);
    return ++counts.went_on;
}

template <class Handle>
class cancels_at_end {
public:
    explicit cancels_at_end(Handle& handle) noexcept : handle_(handle) {}
    cancels_at_end(const cancels_at_end&) = delete;
    cancels_at_end& operator=(const cancels_at_end&) = delete;
    ~cancels_at_end() { handle_.cancel(); }

private:
    Handle& handle_;
};

template <stackless_runtime Runtime>
task_of<Runtime, std::size_t> join_and_count(Runtime& runtime, task_counts& counts) {
    const counted_clean_up mark(counts);
    auto other =
        start(runtime, &lateness_of_a_sleep<Runtime>, static_cast<std::size_t>(long_wait.count()));
    const cancels_at_end give_up(other);
    co_await joined<Runtime>(other);
    co_return ++counts.went_on;
}

template <direct_runtime Runtime>
task_of<Runtime, std::size_t> join_and_count(Runtime& runtime, task_counts& counts) {
    const counted_clean_up mark(counts);
    auto other =
        start(runtime, &lateness_of_a_sleep<Runtime>, static_cast<std::size_t>(long_wait.count()));
    const cancels_at_end give_up(other);
    joined<Runtime>(other);
    return ++counts.went_on;
}

/// A task that waits in the way that `how` stands for.
template <any_runtime Runtime>
task_of<Runtime, std::size_t> wait_and_count(Runtime& runtime, task_counts& counts, int connection,
                                             std::size_t how) {
    if (how == 0) return sleep_and_count(runtime, counts, long_wait);
    if (how == 1) return gather_and_count(runtime, counts, 3, long_wait);
    if (how == 2) return join_and_count(runtime, counts);
    return read_and_count(runtime, counts, connection);
}

/// Cancels `background` as often as said, some time after it has begun, and joins it: the errno value
/// with which that fails; 0 when it throws nothing.
template <stackless_runtime Runtime, class Handle>
task_of<Runtime, int> cancel_and_join(Runtime& runtime, Handle& background, nanoseconds after,
                                      int times) {
    if (after != nanoseconds(0)) co_await runtime.sleep_until(runtime.now() + after);
    for (int i = 0; i < times; ++i) background.cancel();
    try {
        co_await joined<Runtime>(background);
    } catch (const std::system_error& error) {
        co_return error.code().value();
    }
    co_return 0;
}

template <direct_runtime Runtime, class Handle>
task_of<Runtime, int> cancel_and_join(Runtime& runtime, Handle& background, nanoseconds after,
                                      int times) {
    if (after != nanoseconds(0)) runtime.sleep_until(runtime.now() + after);
    for (int i = 0; i < times; ++i) background.cancel();
    try {
        joined<Runtime>(background);
    } catch (const std::system_error& error) {
        return error.code().value();
    }
    return 0;
}

/// The errors of joining a task of each kind that was cancelled.
template <stackless_runtime Runtime>
task_of<Runtime, std::vector<int>> cancel_each_kind(Runtime& runtime, task_counts* counts,
                                                    int listener) {
    const int connection = co_await runtime.accept(listener);
    std::vector<int> errors;
    for (std::size_t how = 0; how < 4; ++how) {
        auto background = start(
            runtime,
            [connection, counts](Runtime& on, std::size_t index) {
                return wait_and_count(on, counts[index], connection, index);
            },
            how);
        errors.push_back(
            co_await cancel_and_join(runtime, background, std::chrono::milliseconds(5), 1));
    }
    co_await runtime.close(connection);
    co_return errors;
}

template <direct_runtime Runtime>
task_of<Runtime, std::vector<int>> cancel_each_kind(Runtime& runtime, task_counts* counts,
                                                    int listener) {
    const int connection = runtime.accept(listener);
    std::vector<int> errors;
    for (std::size_t how = 0; how < 4; ++how) {
        auto background = start(
            runtime,
            [connection, counts](Runtime& on, std::size_t index) {
                return wait_and_count(on, counts[index], connection, index);
            },
            how);
        errors.push_back(cancel_and_join(runtime, background, std::chrono::milliseconds(5), 1));
    }
    runtime.close(connection);
    return errors;
}

template <any_runtime Runtime>
void required_cancel_reaches_whatever_a_task_waits_for() {
    require_cancelling<Runtime>();
    if constexpr (cancelling_runtime<Runtime>) {
        constexpr std::array<const char*, 4> waits = {"a sleep", "a gather", "another task",
                                                      "a read"};
        const unique_descriptor listener = open_listener(endpoint{});
        client_process client([&] {
            const unique_descriptor server = connect_narrowly(port_of(listener));
            std::this_thread::sleep_for(long_wait);
            check_errno(::send(server.get(), "late", 4, MSG_NOSIGNAL), "send");
        });
        std::array<task_counts, waits.size()> counts;
        fresh<Runtime> made;
        Runtime& runtime = made.runtime;
        const auto errors = run_root(
            runtime, [&] { return cancel_each_kind(runtime, counts.data(), listener.get()); });
        for (std::size_t how = 0; how < waits.size(); ++how) {
            expect_equal(errors[how], ECANCELED,
                         text("error of joining a cancelled task that waited for ", waits[how]));
            expect_equal(counts[how].cleaned_up, counts[how].begun,
                         text("clean-ups of tasks that waited for ", waits[how]));
            expect_equal(counts[how].went_on, 0U, text("tasks that went on after ", waits[how]));
        }
        client.expect_success();
    }
}

/// Bytes that a reader has got in order, before somebody else went on.
struct bytes_in_order {
    std::size_t count = 0;
    std::size_t wrong = 0;
    bool ended = false;
};

template <stackless_runtime Runtime>
task_of<Runtime, std::size_t> read_on(Runtime& runtime, int connection, bytes_in_order& seen) {
    std::array<std::byte, 1> buffer{};
    while (co_await runtime.read(connection, buffer) != 0) {
        if (buffer.front() != byte_at(seen.count++)) ++seen.wrong;
    }
    seen.ended = true;
    co_return seen.count;
}

template <direct_runtime Runtime>
task_of<Runtime, std::size_t> read_on(Runtime& runtime, int connection, bytes_in_order& seen) {
    std::array<std::byte, 1> buffer{};
    while (runtime.read(connection, buffer) != 0) {
        if (buffer.front() != byte_at(seen.count++)) ++seen.wrong;
    }
    seen.ended = true;
    return seen.count;
}

/// Reads with one task after another, each of which is soon cancelled.
template <stackless_runtime Runtime>
task_of<Runtime, void> read_with_cancelled_tasks(Runtime& runtime, int listener,
                                                 bytes_in_order& seen) {
    const int connection = co_await runtime.accept(listener);
    while (!seen.ended) {
        auto reader = start(
            runtime,
            [connection, &seen](Runtime& on, std::size_t) { return read_on(on, connection, seen); },
            0);
        co_await cancel_and_join(runtime, reader, std::chrono::microseconds(50), 1);
    }
    co_await runtime.close(connection);
}

template <direct_runtime Runtime>
task_of<Runtime, void> read_with_cancelled_tasks(Runtime& runtime, int listener,
                                                 bytes_in_order& seen) {
    const int connection = runtime.accept(listener);
    while (!seen.ended) {
        auto reader = start(
            runtime,
            [connection, &seen](Runtime& on, std::size_t) { return read_on(on, connection, seen); },
            0);
        cancel_and_join(runtime, reader, std::chrono::microseconds(50), 1);
    }
    runtime.close(connection);
}

template <any_runtime Runtime>
void stochastic_cancelled_read_loses_no_byte() {
    require_cancelling<Runtime>();
    if constexpr (cancelling_runtime<Runtime>) {
        constexpr std::size_t size = 400;
        const unique_descriptor listener = open_listener(endpoint{});
        client_process client([&] { drip(port_of(listener), size); });
        bytes_in_order seen;
        fresh<Runtime> made;
        Runtime& runtime = made.runtime;
        run_root(runtime, [&] { return read_with_cancelled_tasks(runtime, listener.get(), seen); });
        expect_equal(seen.wrong, 0U, "bytes out of order, read by tasks that were cancelled");
        expect_equal(seen.count, size, "bytes read by tasks that were cancelled");
        client.expect_success();
    }
}

template <stackless_runtime Runtime>
task_of<Runtime, int> cancel_sleepers(Runtime& runtime, task_counts& counts, std::size_t n) {
    auto background = start(
        runtime,
        [&counts, n](Runtime& on, std::size_t) {
            return gather_and_count(on, counts, n, std::chrono::seconds(1000));
        },
        0);
    while (counts.begun < n + 1) {
        co_await runtime.sleep_until(runtime.now() + std::chrono::milliseconds(1));
    }
    co_return co_await cancel_and_join(runtime, background, nanoseconds(0), 1);
}

template <direct_runtime Runtime>
task_of<Runtime, int> cancel_sleepers(Runtime& runtime, task_counts& counts, std::size_t n) {
    auto background = start(
        runtime,
        [&counts, n](Runtime& on, std::size_t) {
            return gather_and_count(on, counts, n, std::chrono::seconds(1000));
        },
        0);
    while (counts.begun < n + 1) {
        runtime.sleep_until(runtime.now() + std::chrono::milliseconds(1));
    }
    return cancel_and_join(runtime, background, nanoseconds(0), 1);
}

/// Of those with a stack each, fewer; at least as many as a loop takes in several iterations.
template <any_runtime Runtime>
void required_a_hundred_thousand_sleepers_are_cancelled() {
    require_cancelling<Runtime>();
    if constexpr (cancelling_runtime<Runtime>) {
        const std::size_t n = direct_runtime<Runtime> ? 3'000 : 100'000;
        task_counts counts;
        fresh<Runtime> made;
        Runtime& runtime = made.runtime;
        if (runtime.task_limit() <= n) throw does_not_apply(text("needs ", n, " tasks in flight"));
        const int error = run_root(runtime, [&] { return cancel_sleepers(runtime, counts, n); });
        expect_equal(error, ECANCELED, text("error of joining a gather of ", n, " sleepers"));
        expect_equal(counts.cleaned_up, n + 1, "clean-ups of sleepers and the task that gathers");
        expect_equal(counts.went_on, 0U, "sleepers that went on");
    }
}

/// Cancels a sleeping task and joins it, when a count (nullptr: none) is no longer 0; the error of that.
template <stackless_runtime Runtime>
task_of<Runtime, int> cancel_a_sleeper(Runtime& runtime, task_counts& counts,
                                       const std::size_t* awaited, nanoseconds sleeps, int times) {
    auto background = start(
        runtime,
        [&counts, sleeps](Runtime& on, std::size_t) { return sleep_and_count(on, counts, sleeps); },
        0);
    while (awaited != nullptr && *awaited == 0) {
        co_await runtime.sleep_until(runtime.now() + std::chrono::milliseconds(1));
    }
    co_return co_await cancel_and_join(runtime, background, nanoseconds(0), times);
}

template <direct_runtime Runtime>
task_of<Runtime, int> cancel_a_sleeper(Runtime& runtime, task_counts& counts,
                                       const std::size_t* awaited, nanoseconds sleeps, int times) {
    auto background = start(
        runtime,
        [&counts, sleeps](Runtime& on, std::size_t) { return sleep_and_count(on, counts, sleeps); },
        0);
    while (awaited != nullptr && *awaited == 0) {
        runtime.sleep_until(runtime.now() + std::chrono::milliseconds(1));
    }
    return cancel_and_join(runtime, background, nanoseconds(0), times);
}

/// The counts, and the error of joining.
struct cancelled_sleeper {
    int error = 0;
    task_counts counts;
};

template <cancelling_runtime Runtime>
cancelled_sleeper cancel_one(std::size_t task_counts::* awaited, nanoseconds sleeps, int times) {
    cancelled_sleeper result;
    fresh<Runtime> made;
    Runtime& runtime = made.runtime;
    const std::size_t* count = awaited == nullptr ? nullptr : &(result.counts.*awaited);
    result.error = run_root(
        runtime, [&] { return cancel_a_sleeper(runtime, result.counts, count, sleeps, times); });
    return result;
}

template <any_runtime Runtime>
void required_cancel_before_the_start_is_seen_and_nothing_runs() {
    require_cancelling<Runtime>();
    if constexpr (cancelling_runtime<Runtime>) {
        const auto seen = cancel_one<Runtime>(nullptr, nanoseconds(1), 1);
        expect_equal(seen.error, ECANCELED, "error of joining a task cancelled before its start");
        expect_equal(seen.counts.begun, 0U, "tasks that began although they had been cancelled");
    }
}

template <any_runtime Runtime>
void required_cancel_twice_is_once() {
    require_cancelling<Runtime>();
    if constexpr (cancelling_runtime<Runtime>) {
        const auto seen = cancel_one<Runtime>(&task_counts::begun, long_wait, 3);
        expect_equal(seen.error, ECANCELED, "error of joining a task that was cancelled thrice");
        expect_equal(seen.counts.cleaned_up, 1U, "clean-ups of a task that was cancelled thrice");
    }
}

template <any_runtime Runtime>
void required_cancel_after_the_end_does_nothing() {
    require_cancelling<Runtime>();
    if constexpr (cancelling_runtime<Runtime>) {
        const auto seen = cancel_one<Runtime>(&task_counts::went_on, nanoseconds(1), 1);
        expect_equal(seen.error, 0, "error of joining a task that was cancelled after its end");
        expect_equal(seen.counts.went_on, 1U, "tasks that went on to their ends");
    }
}

template <any_runtime Runtime>
std::vector<rule> runtime_cancel_rules() {
    return {
        rule_of<required_cancel_reaches_whatever_a_task_waits_for<Runtime>>(
            "cancel asks a task to end where it waits: for time, I/O, a gather, another task; "
            "whoever "
            "joins it is thrown std::errc::operation_canceled",
            runtime_contract),
        rule_of<stochastic_cancelled_read_loses_no_byte<Runtime>>(
            "what has happened is not taken back: a read that has its bytes returns them",
            runtime_contract),
        rule_of<required_a_hundred_thousand_sleepers_are_cancelled<Runtime>>(
            "cancel asks a task to end where it waits, and its destructors run", runtime_contract),
        rule_of<required_cancel_before_the_start_is_seen_and_nothing_runs<Runtime>>(
            "a task that has not begun when it is cancelled never does", runtime_contract),
        rule_of<required_cancel_twice_is_once<Runtime>>("cancelled again, a task does nothing",
                                                        runtime_contract),
        rule_of<required_cancel_after_the_end_does_nothing<Runtime>>(
            "cancel after the end does nothing", runtime_contract),
    };
}

}  // namespace overlap::conformance
