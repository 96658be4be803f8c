// The cancel workload: n tasks sleep, all of them are cancelled at once, and somebody joins them.
#pragma once

#include "bench/workloads/cancel/case.hpp"

#include <overlap/core/runtime.hpp>
#include <overlap/coroutine/task.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <utility>
#include <vector>

namespace overlap::bench {

/// Runtimes of either colour that cancel what they have spawned, and all that it waits for.
template <class R>
concept cancelling_runtime =
    (direct_runtime<R> && requires(R& r, time_point t) {
        r.spawn([] {}).cancel();
        r.with_deadline(t, [] {});
    }) || (stackless_runtime<R> && requires(R& r, time_point t, task<> work) {
        r.spawn(std::move(work)).cancel();
        r.with_deadline(t, std::move(work));
    });

/// What became of the tasks of a run.
struct sleepers {
    time_point deadline;  ///< Long after the run.
    std::size_t begun = 0;
    std::size_t cleaned_up = 0;
    std::size_t woken = 0;
};

/// What each of them holds, and what its end is known by. Moved into the task, so it may be empty.
template <class Flight>
class cancelled_sleeper {
public:
    cancelled_sleeper(Flight flight, sleepers& all) : flight_(std::move(flight)), all_(&all) {}
    cancelled_sleeper(cancelled_sleeper&& other) noexcept
        : flight_(std::move(other.flight_)), all_(std::exchange(other.all_, nullptr)) {}
    cancelled_sleeper& operator=(cancelled_sleeper&&) = delete;
    ~cancelled_sleeper() {
        if (all_ != nullptr) ++all_->cleaned_up;
    }

    [[nodiscard]] sleepers& all() const noexcept { return *all_; }

private:
    [[no_unique_address]] Flight flight_;
    sleepers* all_;
};

template <stackless_runtime Runtime, class Flight>
task<void> sleep_until_cancelled(Runtime& runtime, cancelled_sleeper<Flight> self) {
    ++self.all().begun;
    co_await runtime.sleep_until(self.all().deadline);
    ++self.all().woken;
}

template <direct_runtime Runtime, class Flight>
void sleep_until_cancelled(Runtime& runtime, cancelled_sleeper<Flight> self) {
    ++self.all().begun;
    runtime.sleep_until(self.all().deadline);
    ++self.all().woken;
}

template <stackless_runtime Runtime, class Log>
task<void> gather_sleepers(Runtime& runtime, std::size_t count, sleepers& all, Log& log) {
    co_await runtime.gather(count, [&](std::size_t) {
        return sleep_until_cancelled(runtime, cancelled_sleeper(log.enter(), all));
    });
}

template <direct_runtime Runtime, class Log>
void gather_sleepers(Runtime& runtime, std::size_t count, sleepers& all, Log& log) {
    runtime.gather(count, [&](std::size_t) {
        return sleep_until_cancelled(runtime, cancelled_sleeper(log.enter(), all));
    });
}

/// In the background.
template <cancelling_runtime Runtime, class Log>
auto begin_to_sleep(Runtime& runtime, std::size_t count, sleepers& all, Log& log) {
    if constexpr (direct_runtime<Runtime>) {
        return runtime.spawn(
            [&runtime, count, &all, &log] { gather_sleepers(runtime, count, all, log); });
    } else {
        return runtime.spawn(gather_sleepers(runtime, count, all, log));
    }
}

/// What `co_await` takes for the end of a background task.
template <class Runtime, class Handle>
decltype(auto) end_of(Handle& handle) {
    if constexpr (direct_runtime<Runtime>) {
        return handle.join();
    } else {
        return (handle);
    }
}

/// Returns how many tasks cleaned up and how many woke, whether who joined them was told, and how many
/// nanoseconds passed from the cancelling until then.
template <stackless_runtime Runtime, class Log>
task<std::vector<std::int64_t>> cancel_all(Runtime& runtime, const cancel_case& given, Log& log) {
    sleepers all{.deadline = runtime.now() + std::chrono::hours(1)};
    auto background = begin_to_sleep(runtime, given.tasks, all, log);
    while (all.begun < given.tasks) co_await runtime.yield();
    const time_point begin = runtime.now();
    background.cancel();
    bool told = false;
    try {
        co_await end_of<Runtime>(background);
    } catch (const std::system_error& error) {
        told = error.code() == std::errc::operation_canceled;
    }
    const auto took = nanoseconds(runtime.now() - begin).count();
    co_return std::vector<std::int64_t>{static_cast<std::int64_t>(all.cleaned_up),
                                        static_cast<std::int64_t>(all.woken), told ? 1 : 0, took};
}

template <direct_runtime Runtime, class Log>
std::vector<std::int64_t> cancel_all(Runtime& runtime, const cancel_case& given, Log& log) {
    sleepers all{.deadline = runtime.now() + std::chrono::hours(1)};
    auto background = begin_to_sleep(runtime, given.tasks, all, log);
    while (all.begun < given.tasks) runtime.yield();
    const time_point begin = runtime.now();
    background.cancel();
    bool told = false;
    try {
        end_of<Runtime>(background);
    } catch (const std::system_error& error) {
        told = error.code() == std::errc::operation_canceled;
    }
    const auto took = nanoseconds(runtime.now() - begin).count();
    return std::vector<std::int64_t>{static_cast<std::int64_t>(all.cleaned_up),
                                     static_cast<std::int64_t>(all.woken), told ? 1 : 0, took};
}

/// For runtimes that cannot.
template <stackless_runtime Runtime>
task<std::vector<std::int64_t>> cancel_none(Runtime&) {
    co_return std::vector<std::int64_t>();
}

template <direct_runtime Runtime>
std::vector<std::int64_t> cancel_none(Runtime&) {
    return std::vector<std::int64_t>();
}

}  // namespace overlap::bench
