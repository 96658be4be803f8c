// The stackless runtime on several cores: a loop on each, and gathers whose children are dealt out.
#pragma once

#include <overlap/core/cores.hpp>
#include <overlap/core/event_loop.hpp>
#include <overlap/core/runtime.hpp>
#include <overlap/cores/dealt_gather.hpp>
#include <overlap/cores/shard.hpp>
#include <overlap/cores/shard_threads.hpp>
#include <overlap/cores/shared_channel.hpp>
#include <overlap/coroutine/coroutine.hpp>

#include <concepts>
#include <cstddef>
#include <functional>
#include <ranges>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

namespace overlap {

namespace detail {

template <event_loop Loop, dealing How>
struct dealt_shard : shard<Loop> {
    static_assert(most_shards <= idle_shards::most);
    using gather_base = dealt_gather_base<Loop, How>;

    dealt_shard(shard_group<Loop>& its_group, Loop& its_loop, std::size_t its_index)
        : shard<Loop>(its_group, its_loop, its_index, &gather_base::start_more,
                      &gather_base::search, &gather_base::wake) {}

    void joined() noexcept {
        if constexpr (How == dealing::stealing) this->group->idle.add(this->index);
    }
    void left() noexcept {}
};

}  // namespace detail

/// Runs tasks on as many loops of type `Loop` as it is given cores, on threads as shard_threads.hpp says.
/// Every call goes to the loop of the calling thread, and a task runs on one thread from its start to its
/// end.
///
/// gather(count, body) deals its children out (see dealt_gather.hpp), so they must not share what they
/// do not guard, nor may a future that one of them awaits be set by another. Gathers inside a child stay
/// with it when they are sharded. Tasks of a range, of different types and spawned ones stay where they
/// are made. With one core all of this is coroutine<Loop>.
template <event_loop Loop, dealing How>
class cores_coroutine : public detail::shard_threads<Loop, detail::dealt_shard<Loop, How>> {
    using base = detail::shard_threads<Loop, detail::dealt_shard<Loop, How>>;
    using group = detail::shard_group<Loop>;

public:
    /// Throws what a loop's constructor throws, and std::system_error when a thread cannot be started.
    /// More than 64 loops are no more use than 64.
    explicit cores_coroutine(std::size_t cores = available_cores()) : base(cores) {}

    static std::string name() {
        const std::string how =
            How == dealing::sharded ? "sharded_coroutine:" : "stealing_coroutine:";
        return how + std::string(Loop::name());
    }
    [[nodiscard]] static std::size_t task_limit() noexcept { return unlimited; }

    /// Runs all loops until `root`, which runs on the calling thread, has ended. When a loop throws, all
    /// of them end, and std::runtime_error says which it was; the runtime is then good for being
    /// destroyed.
    template <class T>
    T run(task<T> root) {
        return this->first().runtime.run(std::move(root), [this] { this->check(); });
    }

    template <class Body>
        requires std::invocable<std::decay_t<Body>&, std::size_t>
    auto gather(std::size_t count, Body&& body) {
        static_assert(detail::outlives_its_expression<Body>,
                      "gather(count, body): this compiler would destroy the captures of a lambda "
                      "written here twice; name it first, then give std::ref(name)");
        return dealt_gather<Loop, How, std::decay_t<Body>>(this->shards(), count,
                                                           std::forward<Body>(body));
    }
    template <std::ranges::input_range Range>
    auto gather(Range&& tasks) {
        return overlap::gather(std::forward<Range>(tasks));
    }
    template <class... T>
    auto gather(task<T>... tasks) {
        return overlap::gather(std::move(tasks)...);
    }

    template <class T>
    spawned<T> spawn(task<T> work) {
        return here().spawn(std::move(work));
    }
    template <class T = void>
    promise_and_future<T> make_future() {
        return here().template make_future<T>();
    }
    /// See shared_channel: its ends may be on any shards. Throws std::invalid_argument for a capacity of 0.
    template <class T>
    shared_channel<T, Loop> make_channel(std::size_t capacity) {
        return shared_channel<T, Loop>(capacity, this->shards());
    }

    [[nodiscard]] time_point now() { return here().now(); }
    auto sleep_until(const time_point& deadline) { return here().sleep_until(deadline); }
    auto sleep_for(nanoseconds duration) { return here().sleep_for(duration); }
    auto yield() { return here().yield(); }
    auto accept(int listener) { return here().accept(listener); }
    auto accept(int listener, time_point deadline) { return here().accept(listener, deadline); }
    auto connect(const endpoint& peer) { return here().connect(peer); }
    auto connect(const endpoint& peer, time_point deadline) {
        return here().connect(peer, deadline);
    }
    auto read(int connection, std::span<std::byte> buffer) {
        return here().read(connection, buffer);
    }
    auto read(int connection, std::span<std::byte> buffer, time_point deadline) {
        return here().read(connection, buffer, deadline);
    }
    auto write(int connection, std::span<const std::byte> bytes) {
        return here().write(connection, bytes);
    }
    auto close(int connection) { return here().close(connection); }

private:
    static coroutine<Loop>& here() noexcept { return group::here->runtime; }
};

template <event_loop Loop>
using sharded_coroutine = cores_coroutine<Loop, dealing::sharded>;
template <event_loop Loop>
using stealing_coroutine = cores_coroutine<Loop, dealing::stealing>;

}  // namespace overlap
