// A right runtime on several cores that gets one thing wrong, for the kit to find.
#pragma once

#include <overlap/conformance/runtime_rules_cores.hpp>
#include <overlap/core/error.hpp>
#include <overlap/cores/cores_coroutine.hpp>
#include <overlap/loops/epoll.hpp>

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <unistd.h>
#include <utility>

namespace overlap::conformance {

enum class cores_mistake {
    none,
    moves_tasks_that_yield,
    runs_all_tasks_on_one_core,
    waits_for_timers_on_the_first_thread,
    refuses_gathers_on_other_threads,
    waits_at_its_end_for_tasks_that_nobody_runs,
    reads_on_the_first_thread,
};

/// An operation of a task that is submitted on the thread of `there`, which need not be its own.
template <class Operation>
struct operation_on : Operation {
    using shard = overlap::detail::shard<epoll_loop>;

    explicit operation_on(shard& where, bool stays_there = false)
        : there(where), stays(stays_there) {
        this->done = &complete;
    }

    [[nodiscard]] static bool await_ready() noexcept { return false; }
    void await_suspend(std::coroutine_handle<> task) noexcept {
        waiter = task;
        if (&there == &home) return submit();
        there.loop.post_remote(&begin);
    }
    std::size_t await_resume() const {
        if (this->result < 0) throw_errno(-this->result, "an operation of a wrong runtime");
        return static_cast<std::size_t>(this->result);
    }

    static shard& here() noexcept { return *overlap::detail::shard_group<epoll_loop>::here; }

private:
    struct step : operation {
        step(operation_on& which, void (*callback)(operation*) noexcept)
            : operation(callback), whole(which) {}
        operation_on& whole;
    };

    static void start(operation* op) noexcept { static_cast<step*>(op)->whole.submit(); }
    static void go_on(operation* op) noexcept { static_cast<step*>(op)->whole.waiter.resume(); }
    static void complete(operation* op) noexcept {
        auto& self = static_cast<operation_on&>(*static_cast<Operation*>(op));
        if (&self.there == &self.home || self.stays) return self.waiter.resume();
        self.home.loop.post_remote(&self.back);
    }

    void submit() noexcept {
        if constexpr (std::same_as<Operation, timer_operation>) {
            there.loop.call_at(this, this->deadline);
        } else if constexpr (std::same_as<Operation, io_operation>) {
            there.loop.submit(this);
        } else {
            there.loop.post(this);
        }
    }

    shard& there;
    shard& home = here();
    bool stays;
    std::coroutine_handle<> waiter;
    step begin{*this, &start};
    step back{*this, &go_on};
};

class wrong_cores : public sharded_coroutine<epoll_loop> {
    using right = sharded_coroutine<epoll_loop>;

public:
    static inline cores_mistake chosen = cores_mistake::none;

    template <class T>
    using task = overlap::task<T>;

    explicit wrong_cores(std::size_t cores)
        : right(chosen == cores_mistake::runs_all_tasks_on_one_core ? 1 : cores) {}
    wrong_cores(const wrong_cores&) = delete;
    wrong_cores& operator=(const wrong_cores&) = delete;
    ~wrong_cores() {
        if (chosen != cores_mistake::waits_at_its_end_for_tasks_that_nobody_runs) return;
        while (left_ != 0) ::pause();
    }

    template <class Body>
    auto gather(std::size_t count, Body&& body) {
        if (chosen == cores_mistake::refuses_gathers_on_other_threads && here().index != 0) {
            throw std::logic_error("gather was called on a thread of the runtime's own");
        }
        return right::gather(count, std::forward<Body>(body));
    }

    template <class T>
    spawned<T> spawn(task<T> work) {
        ++left_;
        return right::spawn(counted(std::move(work)));
    }

    operation_on<operation> yield() {
        const bool moves = chosen == cores_mistake::moves_tasks_that_yield;
        return operation_on<operation>(moves ? neighbour() : here(), moves);
    }

    operation_on<timer_operation> sleep_until(time_point deadline) {
        operation_on<timer_operation> timer(
            on_first_if(cores_mistake::waits_for_timers_on_the_first_thread));
        timer.deadline = deadline;
        return timer;
    }

    operation_on<io_operation> read(int connection, std::span<std::byte> buffer) {
        operation_on<io_operation> io(on_first_if(cores_mistake::reads_on_the_first_thread));
        io.kind = operation_kind::read;
        io.descriptor = connection;
        io.data = buffer.data();
        io.size = buffer.size();
        return io;
    }

private:
    using shard = overlap::detail::shard<epoll_loop>;

    static shard& here() noexcept { return *overlap::detail::shard_group<epoll_loop>::here; }
    shard& at(std::size_t index) { return *shards().shards[index % shard_count()]; }
    shard& neighbour() { return at(here().index + 1); }
    shard& on_first_if(cores_mistake which) { return chosen == which ? at(0) : here(); }

    template <class T>
    task<T> counted(task<T> work) {
        T result = co_await std::move(work);
        --left_;
        co_return result;
    }

    std::atomic<int> left_ = 0;
};

template <>
struct fresh<wrong_cores> : fresh_on_cores<wrong_cores, 2> {};

}  // namespace overlap::conformance
