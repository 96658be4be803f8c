// The runtime on fibers on several cores: a loop on each, and gathers whose children are dealt out.
#pragma once

#include <overlap/core/cores.hpp>
#include <overlap/core/event_loop.hpp>
#include <overlap/core/runtime.hpp>
#include <overlap/cores/dealt_fibers.hpp>
#include <overlap/cores/shard_threads.hpp>
#include <overlap/fiber/fiber.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

namespace overlap {

/// Runs tasks as fibers on as many loops of type `Loop` as it is given cores, on threads as
/// shard_threads.hpp says. Every call goes to the loop of the calling thread, and a task runs on one
/// thread from its start to its end.
///
/// gather(n, body) deals its children out (see dealt_fibers.hpp): body is called on several threads at
/// once, and children must not share what they do not guard. Gathers inside a child stay with it, and
/// spawned tasks where they are made. With one core all of this is fiber<Loop>.
template <event_loop Loop>
class sharded_fiber : public detail::shard_threads<Loop, detail::fiber_shard<Loop>> {
    using base = detail::shard_threads<Loop, detail::fiber_shard<Loop>>;
    using group = detail::fiber_shard_group<Loop>;

public:
    /// Throws what a loop's constructor throws, std::system_error when a thread cannot be started, and
    /// std::invalid_argument for a stack size that cannot be. More than 64 loops are no more use than 64.
    explicit sharded_fiber(std::size_t cores = available_cores(), fiber_options options = {})
        : base(cores, options) {}

    static std::string name() { return "sharded_fiber:" + std::string(Loop::name()); }
    [[nodiscard]] std::size_t task_limit() const { return here().task_limit(); }

    /// Runs all loops until `root`, which runs on the calling thread, has ended. When a loop throws, all
    /// of them end, and std::runtime_error says which it was; the runtime is then good for being
    /// destroyed.
    template <class Function>
    std::invoke_result_t<Function&> run(Function&& root) {
        return this->first().runtime.run(std::forward<Function>(root), [this] { this->check(); });
    }

    template <class Body>
    auto gather(std::size_t n, const Body& body) {
        const detail::busy_mark<Loop> mark(*group::here);
        const bool outermost = group::here->busy == 1;
        if (!outermost || n < 2 || this->shard_count() == 1) return here().gather(n, body);
        return detail::dealt_fibers<Loop, Body>(this->shards(), n, body).run();
    }

    template <class Function>
    auto spawn(Function function) {
        return here().spawn(std::move(function));
    }

    [[nodiscard]] time_point now() { return here().now(); }
    void sleep_until(time_point deadline) { here().sleep_until(deadline); }
    void sleep_for(nanoseconds duration) { here().sleep_for(duration); }
    void yield() { here().yield(); }
    int accept(int listener) { return here().accept(listener); }
    int accept(int listener, time_point deadline) { return here().accept(listener, deadline); }
    int connect(const endpoint& peer) { return here().connect(peer); }
    int connect(const endpoint& peer, time_point deadline) {
        return here().connect(peer, deadline);
    }
    std::size_t read(int connection, std::span<std::byte> buffer) {
        return here().read(connection, buffer);
    }
    std::size_t read(int connection, std::span<std::byte> buffer, time_point deadline) {
        return here().read(connection, buffer, deadline);
    }
    void write(int connection, std::span<const std::byte> bytes) {
        here().write(connection, bytes);
    }
    void close(int connection) { here().close(connection); }

private:
    static fiber<Loop>& here() noexcept { return group::here->runtime; }
};

}  // namespace overlap
