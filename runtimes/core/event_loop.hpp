// The seam between runtimes and event loops: what a loop must define, and what it promises.
//
// An event loop runs operations, timers and I/O on one thread. A runtime (coroutines, fibers) is a
// template over any type that models the concept below; so is everything that checks and measures.
//
// A loop defines two static functions and eight calls:
//
//   L::name()              The loop's name in backends and tables, e.g. "epoll": a constexpr
//                          std::string_view of a literal, of letters, digits, '_', '-' and '.'.
//   L::available()         Whether this kernel lets the loop work, found out by trying; never throws.
//
//   loop.now()             The loop's clock. Deadlines are compared with this clock and no other.
//   loop.post(op)          Runs `op` soon. Operations posted run in the order of the calls.
//   loop.post_remote(op)   The same from any thread; wakes the loop if it waits. Operations posted
//                          by one thread run in the order of its calls.
//   loop.call_at(op, t)    Completes `op` with 0 when now() >= t, never before. Timers complete in
//                          the order of their deadlines, equal deadlines in the order of the
//                          calls; a deadline that has passed counts as some moment between the
//                          loop's last look at its clock and the call.
//   loop.submit(op)        Starts one step of I/O. A read and a write, one of each, may wait on one
//                          descriptor at once; so may any number of accepts, which complete in the
//                          order of the calls.
//   loop.cancel(op)        Asks that `op`, submitted to this loop by call_at or submit, complete now. It
//                          still completes exactly once: with -ECANCELED, or with its own result if
//                          that came first. Cancelling a posted operation, or one that has
//                          completed and still exists, changes nothing.
//   loop.run()             Runs operations until stop() is called, waiting when there are none. It
//                          does not return for want of work: runtimes count tasks, loops do not.
//   loop.stop()            Makes run() return soon, once; operations may be left waiting, and go on
//                          in the next run(). A stop() before run() makes that run() return.
//
// What holds for all of them:
//
//   Threads      A loop is made, used and destroyed on one thread; only post_remote may be called
//                from others. Two loops on two threads know nothing of each other. What was posted
//                may run, and the loop be destroyed, before post_remote has returned on its thread:
//                that the call touches nothing of the loop by then is the loop's business.
//   Completion   `done` is called exactly once for each time an operation is submitted, from inside
//                run() and never from inside the call that submitted it. The loop does not touch the
//                operation afterwards: `done` may free it, or submit it again to any loop.
//   Fairness     Operations that keep posting themselves do not keep timers, I/O and remote posts
//                from completing. What is due, a timer or I/O that has completed, goes before what
//                was only posted, however much of that there is and however long it takes: a loop
//                looks at what is due again when posted operations have run for 100 microseconds, or
//                with the end of the one that takes longer.
//   Lateness     A timer is late by what runs when it comes due, and by what the loop's waiting call
//                adds: some milliseconds where that call counts in whole ones, never 20.
//   I/O          Descriptors are stream sockets in non-blocking mode. Once a loop has been given a
//                descriptor, it is closed through that loop, with nothing else waiting on it.
//                Errors are results (-errno), never signals or exceptions; end of file is 0.
//   Memory       Submitting allocates nothing once the loop has met the descriptor: what an operation
//                needs is in the operation.
//   Exceptions   The constructor may throw std::system_error, and so may run() if the kernel refuses
//                to let it wait, which is an error nobody can mend; the loop is then good for being
//                destroyed. Of the other calls, only call_at, submit and cancel may throw, and then
//                std::bad_alloc with nothing submitted. Posts do not fail: an operation's `next` is there
//                for a queue.
//   Destruction  Destroying a loop calls nobody's `done`; what was submitted to it is its owner's again.
//                What the loop opened, it closes.
#pragma once

#include <overlap/core/operation.hpp>

#include <concepts>
#include <string>
#include <string_view>

namespace overlap {

/// Whether a loop can work here. `reason` says why not, in words, and is empty when it can.
struct availability {
    std::string reason;
    explicit operator bool() const noexcept { return reason.empty(); }
};

/// Any type with the functions that the head of this file describes.
template <class L>
concept event_loop = requires(L& loop, operation* op, timer_operation* timer, io_operation* io,
                              time_point deadline) {
    { L::name() } -> std::convertible_to<std::string_view>;
    { L::available() } noexcept -> std::same_as<availability>;
    { loop.now() } -> std::same_as<time_point>;
    { loop.post(op) } -> std::same_as<void>;
    { loop.post_remote(op) } -> std::same_as<void>;
    { loop.call_at(timer, deadline) } -> std::same_as<void>;
    { loop.submit(io) } -> std::same_as<void>;
    { loop.cancel(op) } -> std::same_as<void>;
    { loop.run() } -> std::same_as<void>;
    { loop.stop() } -> std::same_as<void>;
};

}  // namespace overlap
