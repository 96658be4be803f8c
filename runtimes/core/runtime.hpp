// The seam between workloads and runtimes: what a runtime must offer, in its two colours.
//
// Every workload is a gather of n tasks, so a runtime is narrow. In both colours it has
//
//   R::name()                   The backend's name in tables, e.g. "coroutine:epoll".
//   runtime.task_limit()        How many tasks can be in flight at once; `unlimited` when only
//                               memory says.
//   runtime.run(root)           Runs a root task on the calling thread to its result.
//   runtime.gather(n, body)     Runs body(0) .. body(n - 1) as n tasks and returns their results in
//                               that order: a std::vector, or nothing for tasks that return
//                               nothing. If tasks throw, all others still run to their ends; then
//                               the exception of the lowest index is thrown.
//   runtime.now()               The clock that sleep_until goes by.
//   runtime.sleep_until(t)      Holds the task, and no other, until now() >= t. Always suspends.
//   runtime.yield()             Lets other tasks that are ready go first.
//   runtime.accept(listener)    A new connection's descriptor, which the caller must close.
//   runtime.connect(endpoint)   The same, for a connection that this end asks for.
//   runtime.read(fd, buffer)    At most buffer.size() bytes; how many, 0 at end of file.
//   runtime.write(fd, bytes)    All the bytes, however many steps that takes.
//   runtime.close(fd)           Closes a descriptor that came from accept or connect.
//
// Some runtimes have background tasks, too:
//
//   runtime.spawn(work)         Runs a task in the background: `work` is the task, in the direct
//                               colour a function. Joining the handle that it returns (`co_await
//                               handle`, in the direct colour handle.join()) waits for the end of
//                               the task, and returns its result or throws what it threw.
//   runtime.make_channel<T>(n)  A bounded channel: push(element) waits for room, pop() for an element,
//                               std::nullopt once it is closed and empty. See coroutine/channel.hpp.
//
// Some run tasks on several cores, on a thread for each. A task runs on one thread from its start to its
// end, and its descriptors are used there. Tasks of a gather compute at once on as many cores as there
// are, and one that computes holds up those of its own thread alone. gather may be called by a task of
// any of the threads, and run returns when the root has ended, whatever other tasks do.
//
// Some have deadlines, and some of those cancel:
//
//   runtime.accept(listener, t), connect(endpoint, t), read(fd, buffer, t)
//                               The same with a deadline. A call that still waits when now() >= t throws
//                               std::system_error with std::errc::timed_out; it has done nothing
//                               then, and the descriptor can be used on. What need not wait is done
//                               although the deadline has passed.
//   handle.cancel()             Asks a background task to end where it waits, or where it next waits:
//                               for time, I/O, a gather, another task. Its destructors run, and whoever
//                               joins it is thrown std::system_error with std::errc::operation_canceled.
//                               One that has not begun never does. What has happened is not taken
//                               back: a read that has its bytes returns them. Again, or after
//                               the end, it does nothing.
//   runtime.with_deadline(t, work)
//                               Runs a task, in the direct colour a function, and returns its result;
//                               when the deadline comes first, ends it as cancel() does, and throws
//                               std::system_error with std::errc::timed_out.
//
// In the stackless colour each of those that can wait returns an awaitable: the body is a coroutine
// and says `co_await runtime.read(...)`. In the direct colour the call itself holds the task; the
// body is a plain function, and fibers, threads and processes run it alike. A direct body is its
// stackless twin with `co_await` dropped, `co_return` read as `return` and `task<T>` as `T`.
//
// Errors of the operating system are std::system_error. Calls are made from inside the runtime's
// own tasks, gather and run from the thread that made the runtime, unless the runtime says more.
#pragma once

#include <overlap/core/operation.hpp>
#include <overlap/core/socket.hpp>

#include <concepts>
#include <cstddef>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace overlap {

/// What task_limit() returns when only memory limits how many tasks can be in flight.
inline constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

/// Of the tasks of gathers so many are started before those that are ready have their
/// turn: few enough for what they use to stay in a cache, enough to pay for the iteration.
inline constexpr std::size_t starts_in_iteration = 128;

/// A runtime met a limit of the machine (descriptors, processes, mappings, memory). what() names
/// the limit, its value and how far the runtime came, in one line.
class limit_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// A worker process ended before its task did. what() names the process, the task and the signal.
class worker_died : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Tasks may run in another process, so what crosses the boundary is copied byte by byte: the body
/// with its captures, and its result. What a capture points to must have existed when the runtime
/// was made, since workers see the memory of that moment.
template <class Body>
concept portable_body =
    std::is_trivially_copyable_v<Body> && std::invocable<const Body&, std::size_t> &&
    (std::is_void_v<std::invoke_result_t<const Body&, std::size_t>> ||
     std::is_trivially_copyable_v<std::invoke_result_t<const Body&, std::size_t>>);

namespace detail {
struct probe_body {
    std::size_t operator()(std::size_t index) const { return index; }
};
}  // namespace detail

/// What both colours share.
template <class R>
concept runtime = requires(R& r) {
    { R::name() } -> std::convertible_to<std::string>;
    { r.task_limit() } -> std::same_as<std::size_t>;
    { r.now() } -> std::same_as<time_point>;
};

/// A runtime whose tasks are plain functions: a call holds its task until it is done.
template <class R>
concept direct_runtime =
    runtime<R> && requires(R& r, time_point t, int fd, const endpoint& peer,
                           std::span<std::byte> buffer, std::span<const std::byte> bytes) {
        r.run([] { return 1; });
        r.gather(std::size_t{1}, detail::probe_body{});
        { r.sleep_until(t) } -> std::same_as<void>;
        { r.yield() } -> std::same_as<void>;
        { r.accept(fd) } -> std::same_as<int>;
        { r.connect(peer) } -> std::same_as<int>;
        { r.read(fd, buffer) } -> std::same_as<std::size_t>;
        { r.write(fd, bytes) } -> std::same_as<void>;
        { r.close(fd) } -> std::same_as<void>;
    };

namespace detail {
template <class A>
concept has_await_protocol = requires(A&& a) {
    { a.await_ready() } -> std::convertible_to<bool>;
    a.await_resume();
};
}  // namespace detail

/// A runtime whose tasks are coroutines: a call returns an awaitable.
template <class R>
concept stackless_runtime =
    runtime<R> && requires(R& r, time_point t, int fd, const endpoint& peer,
                           std::span<std::byte> buffer, std::span<const std::byte> bytes) {
        { r.sleep_until(t) } -> detail::has_await_protocol;
        { r.yield() } -> detail::has_await_protocol;
        { r.accept(fd) } -> detail::has_await_protocol;
        { r.connect(peer) } -> detail::has_await_protocol;
        { r.read(fd, buffer) } -> detail::has_await_protocol;
        { r.write(fd, bytes) } -> detail::has_await_protocol;
        { r.close(fd) } -> detail::has_await_protocol;
    };

/// A runtime of either colour with deadlines, which are not asked of all.
template <class R>
concept timed_runtime =
    (direct_runtime<R> &&
     requires(R& r, time_point t, int fd, std::span<std::byte> buffer) {
         { r.accept(fd, t) } -> std::same_as<int>;
         { r.connect(endpoint(), t) } -> std::same_as<int>;
         { r.read(fd, buffer, t) } -> std::same_as<std::size_t>;
     }) ||
    (stackless_runtime<R> && requires(R& r, time_point t, int fd, std::span<std::byte> buffer) {
        { r.accept(fd, t) } -> detail::has_await_protocol;
        { r.connect(endpoint(), t) } -> detail::has_await_protocol;
        { r.read(fd, buffer, t) } -> detail::has_await_protocol;
    });

}  // namespace overlap
