// The runtime on fibers: tasks are plain functions with stacks of their own, on any event loop.
#pragma once

#include <overlap/core/deadline_queue.hpp>
#include <overlap/core/error.hpp>
#include <overlap/core/event_loop.hpp>
#include <overlap/core/io_deadline.hpp>
#include <overlap/core/loop_reference.hpp>
#include <overlap/core/runtime.hpp>
#include <overlap/core/socket.hpp>
#include <overlap/core/task_results.hpp>
#include <overlap/fiber/cancellation.hpp>
#include <overlap/fiber/channel.hpp>
#include <overlap/fiber/deadline_scope.hpp>
#include <overlap/fiber/gathering.hpp>
#include <overlap/fiber/outcome.hpp>
#include <overlap/fiber/scheduler.hpp>
#include <overlap/fiber/spawned.hpp>

#include <cerrno>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace overlap {

/// What a fiber runtime is made with. Sizes are in bytes.
struct fiber_options {
    /// Of address space for each fiber; memory is only used for the pages touched. A sanitizer's
    /// frames are several times larger.
    std::size_t stack_size = sanitized ? std::size_t{256} << 10 : std::size_t{64} << 10;
    /// Of available memory, left to others when more stacks are made.
    std::size_t spare_memory = std::size_t{64} << 20;
    fibers::guard_kind guards = fibers::guard_kind::madvise;
};

/// Runs tasks as fibers on a loop that somebody else owns and that outlives the runtime. Everything
/// happens on the thread that made the runtime, which is the loop's.
///
/// A task that overflows its stack meets a guard page: SIGSEGV. Stacks are recycled and their
/// memory is given back when the runtime is destroyed.
template <event_loop Loop>
class fiber {
public:
    /// Throws std::invalid_argument for a stack size that cannot be.
    explicit fiber(Loop& loop, fiber_options options = {})
        : loop_(loop), scheduler_(options.stack_size, options.spare_memory, options.guards) {}
    fiber(const fiber&) = delete;
    fiber& operator=(const fiber&) = delete;

    /// Tasks that have not ended are reported and forgotten: their stacks are given back without
    /// running destructors. What they had submitted to the loop is cancelled first, and the loop run
    /// until it has let go of it; a loop that throws then is reported, and must not be run again.
    ~fiber() {
        if (scheduler_.busy() == 0) return;
        report_(std::to_string(scheduler_.busy()) +
                " tasks on fibers had not ended when their runtime did");
        take_back_operations();
    }

    static std::string name() { return "fiber:" + std::string(Loop::name()); }

    /// What memory and, on kernels before Linux 6.13, mappings allow now.
    [[nodiscard]] std::size_t task_limit() const { return scheduler_.stacks().limit(); }

    /// Who is told, in a line of text, of background tasks that failed with nobody joining them,
    /// and of tasks that never ended. By default they are written to standard error.
    void on_report(fibers::report_function report) { report_ = std::move(report); }

    /// Runs the loop until `root` has ended as a task, and returns its result or throws what it
    /// threw. Background tasks that have not ended go on in the next run(). Throws limit_error
    /// when there is no memory for a stack.
    template <class Function>
    std::invoke_result_t<Function&> run(Function&& root) {
        return run(std::forward<Function>(root), [] {});
    }
    /// The same; `check()` is called whenever the loop was stopped, and may throw to give the root
    /// task up.
    template <class Function, std::invocable Check>
    std::invoke_result_t<Function&> run(Function&& root, Check check) {
        if (scheduler_.is_running())
            throw std::logic_error("fiber::run() called from inside run()");
        root_task<std::remove_reference_t<Function>> task(*this, root);
        loop_.post(&task);
        do {  // Again if somebody else stopped the loop.
            loop_.run();
            check();
        } while (!task.ended);
        deadlines_.take_alarm_back();
        return task.result.take();
    }

    /// Runs body(0) .. body(n - 1), each started in order and running until it first waits, and
    /// waits for all of them. Of a large gather what is ready goes first after every so many starts,
    /// so that tasks that are soon done leave their stacks to the next, and timers and I/O have their
    /// turn. If there is no memory for the stack of a task, no more are started, and limit_error
    /// counts as what that task threw.
    template <class Body>
    auto gather(std::size_t n, const Body& body) {
        task_results<task_result_t<Body>> results(n);
        gather_part(0, n, body, results);
        return results.take();
    }
    /// The same for body(from) .. body(to - 1), which leave what comes of them in `results`; several
    /// runtimes may do so at once. Throws only what ends the task itself: fibers::unwinding.
    template <class Body>
    void gather_part(std::size_t from, std::size_t to, const Body& body,
                     task_results<task_result_t<Body>>& results) {
        runner& self = scheduler_.current();
        self.cancelling().check();
        const bool was_cancelled = self.cancelling().is_requested();
        fibers::gathering<Body> all(from, body, self, results);
        try {
            for (; all.next < to; ++all.next) {
                runner& child = scheduler_.take();
                ++all.pending;
                scheduler_.start(child, all);
                if ((all.next + 1) % starts_in_iteration == 0) yield();
            }
        } catch (...) {
            all.fail_next();
        }
        const bool ends = self.cancelling().is_requested() && !was_cancelled;
        if (ends) cancel_children(all);
        if (--all.pending != 0) self.suspend_for(all);
        if (!was_cancelled) fibers::end_if_cancelled(self);
    }

    /// Runs function() in the background: it begins when the caller next waits. Throws limit_error
    /// when there is no memory for a stack, and what moving the function throws.
    template <class Function>
    auto spawn(Function function) {
        beginning<Function> first(*this, function);
        scheduler_.start(scheduler_.take(), first);
        if (first.task == nullptr) std::rethrow_exception(first.error);
        return fibers::spawned(*first.task);
    }

    /// Runs function() and returns its result or throws what it threw; when the deadline comes first, ends
    /// it as spawned::cancel() does, and then throws std::system_error with std::errc::timed_out. What
    /// need not wait is done although the deadline has passed.
    template <class Function>
    std::invoke_result_t<Function&> with_deadline(time_point deadline, Function&& function) {
        fibers::deadline_scope<Loop> inside(scheduler_.current(), reference_, deadlines_, deadline);
        try {
            return function();
        } catch (const fibers::unwinding&) {
            if (!inside.leave()) throw;
        }
        throw_errno(ETIMEDOUT, "with_deadline");
    }

    /// See fibers::channel. Throws std::invalid_argument for a capacity of 0.
    template <class T>
    fibers::channel<T> make_channel(std::size_t capacity) {
        return fibers::channel<T>(capacity, scheduler_, reference_);
    }

    [[nodiscard]] time_point now() { return loop_.now(); }

    void sleep_until(time_point deadline) {
        wait<timer_operation> step(*this);
        loop_.call_at(&step, deadline);
        step.suspend();
        step.waiter.cancelling().check();
    }
    void sleep_for(nanoseconds duration) { sleep_until(now() + duration); }

    void yield() {
        wait<operation> step(*this);
        loop_.post(&step);
        step.suspend();
        step.waiter.cancelling().check();
    }

    /// With a deadline, accept, connect and read throw std::system_error with std::errc::timed_out when
    /// they still wait as it comes. They have done nothing then: a read has taken no byte, and the
    /// descriptor can be used on.
    int accept(int listener) { return perform(operation_kind::accept, "accept", listener); }
    int accept(int listener, time_point deadline) {
        return perform(operation_kind::accept, "accept", listener, nullptr, 0, limit_at(deadline));
    }

    int connect(const endpoint& peer) { return connect_within(peer, no_deadline()); }
    int connect(const endpoint& peer, time_point deadline) {
        return connect_within(peer, limit_at(deadline));
    }

    std::size_t read(int connection, std::span<std::byte> buffer) {
        return static_cast<std::size_t>(
            perform(operation_kind::read, "read", connection, buffer.data(), buffer.size()));
    }
    std::size_t read(int connection, std::span<std::byte> buffer, time_point deadline) {
        return static_cast<std::size_t>(perform(operation_kind::read, "read", connection,
                                                buffer.data(), buffer.size(), limit_at(deadline)));
    }

    void write(int connection, std::span<const std::byte> bytes) {
        if (bytes.empty()) return;
        wait<io_operation> step(*this);
        step.done = &write_rest;
        step.kind = operation_kind::write;
        step.descriptor = connection;
        step.data = const_cast<std::byte*>(bytes.data());
        step.size = bytes.size();
        loop_.submit(&step);
        step.suspend();
        if (step.result == -ECANCELED) step.waiter.cancelling().check();
        if (step.result < 0) throw_errno(-step.result, "write");
    }

    /// Never cancelled: it does not wait, and what was opened must be closed.
    void close(int connection) {
        wait<io_operation> step(*this, shielded());
        step.kind = operation_kind::close;
        step.descriptor = connection;
        loop_.submit(&step);
        step.waiter.suspend_for(&step, true);
        if (step.result < 0) throw_errno(-step.result, "close");
    }

    [[nodiscard]] Loop& loop() noexcept { return loop_; }
    /// For those who have fibers wait for something of their own, on the loop's thread.
    [[nodiscard]] fibers::scheduler& scheduler() noexcept { return scheduler_; }

private:
    struct shielded {};

    using runner = fibers::runner;
    using assignment = fibers::assignment;

    /// An operation on the stack of the task that waits for it.
    template <class Operation>
    struct wait : Operation {
        /// Throws fibers::unwinding when the task is to end.
        explicit wait(fiber& owner) : wait(owner, shielded()) { waiter.cancelling().check(); }
        wait(fiber& owner, shielded) : runtime(owner), waiter(owner.scheduler_.current()) {
            this->done = &resume;
        }

        static wait& of(operation* op) noexcept {
            return static_cast<wait&>(static_cast<Operation&>(*op));
        }

        static void resume(operation* op) noexcept {
            wait& self = of(op);
            self.runtime.scheduler_.resume(&self.waiter);
        }

        static void take_back(operation* op) noexcept {
            fiber& runtime = of(op).runtime;
            if (--runtime.to_take_back_ == 0) runtime.loop_.stop();
        }

        void suspend() noexcept { waiter.suspend_for(this); }

        fiber& runtime;
        runner& waiter;
    };

    template <class Function>
    struct root_task : operation, assignment {
        root_task(fiber& owner, Function& root)
            : operation(&begin), assignment{&run}, runtime(owner), carrier(owner.scheduler_.take()),
              function(root) {}

        static void begin(operation* op) noexcept {
            auto& self = static_cast<root_task&>(*op);
            self.runtime.scheduler_.start(self.carrier, self);
        }

        static runner* run(assignment& what, runner&) noexcept {
            auto& self = static_cast<root_task&>(what);
            self.result.run(self.function);
            self.ended = true;
            self.runtime.loop_.stop();
            return nullptr;
        }

        fiber& runtime;
        runner& carrier;
        Function& function;
        bool ended = false;
        fibers::outcome<std::invoke_result_t<Function&>> result;
    };

    /// How a background task comes to the stack of its runner: it is begun at once, but only moves
    /// the function there and goes to the end of the loop's queue.
    template <class Function>
    struct beginning : assignment {
        using task_type = fibers::background<std::invoke_result_t<Function&>>;

        beginning(fiber& owner, Function& what)
            : assignment{&run}, runtime(owner), function(what) {}

        static runner* run(assignment& what, runner& self) noexcept {
            auto& request = static_cast<beginning&>(what);
            fiber& runtime = request.runtime;
            task_type task(runtime.scheduler_, self, runtime.reference_);
            bool moved = false;
            task.run([&]() -> std::invoke_result_t<Function&> {
                Function function(std::move(request.function));
                moved = true;
                request.task = &task;
                runtime.yield();  // The spawner goes on, and the request is gone.
                return function();
            });
            if (moved) {
                task.end(runtime.report_);
            } else {
                request.error = task.error();
            }
            return nullptr;
        }

        fiber& runtime;
        Function& function;
        task_type* task = nullptr;
        std::exception_ptr error;
    };

    auto limit_at(time_point deadline) noexcept {
        return io_deadline<Loop>(loop_, deadlines_, deadline);
    }

    template <class Deadline = no_deadline>
    int perform(operation_kind kind, const char* what, int descriptor, void* data = nullptr,
                std::size_t size = 0, Deadline&& deadline = {}) {
        wait<io_operation> step(*this);
        step.kind = kind;
        step.descriptor = descriptor;
        step.data = data;
        step.size = size;
        deadline.start(&step);
        loop_.submit(&step);
        step.suspend();
        deadline.stop();
        if (step.result >= 0) return step.result;
        if (step.result == -ECANCELED) {
            step.waiter.cancelling().check();
            if (deadline.has_come()) throw_errno(ETIMEDOUT, what);
        }
        throw_errno(-step.result, what);
    }

    template <class Deadline>
    int connect_within(const endpoint& peer, Deadline&& deadline) {
        unique_descriptor connection(check_errno(
            ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket"));
        set_no_delay(connection.get());
        // From here on the loop knows the descriptor, so it must be closed through the loop.
        const int descriptor = connection.release();
        try {
            perform(operation_kind::connect, "connect", descriptor,
                    const_cast<sockaddr*>(peer.data()), endpoint::size(),
                    std::forward<Deadline>(deadline));
        } catch (...) {
            close(descriptor);
            throw;
        }
        return descriptor;
    }

    /// If there is no memory for it, they go on to their ends.
    void cancel_children(const fibers::gathered& all) noexcept {
        try {
            all.cancel_all(reference_);
        } catch (const std::bad_alloc&) {}
    }

    /// Submits what is left to write without waking the task for it.
    static void write_rest(operation* op) noexcept {
        auto& step = wait<io_operation>::of(op);
        if (step.result >= 0 && static_cast<std::size_t>(step.result) < step.size) {
            if (step.waiter.cancelling().is_due()) {
                step.result = -ECANCELED;
                return wait<io_operation>::resume(op);
            }
            step.data = static_cast<std::byte*>(step.data) + step.result;
            step.size -= static_cast<std::size_t>(step.result);
            try {
                step.runtime.loop_.submit(&step);
                return;
            } catch (const std::bad_alloc&) {
                step.result = -ENOMEM;
            }
        }
        wait<io_operation>::resume(op);
    }

    /// What was posted is let go of in its turn: before what is posted after it.
    void take_back_operations() {
        const auto take_back = [this](operation& op) {
            switch (op.kind) {
            case operation_kind::post:
                op.done = [](operation*) noexcept {};
                return;
            case operation_kind::timer:
                op.done = &wait<timer_operation>::take_back;
                break;
            default:
                op.done = &wait<io_operation>::take_back;
                break;
            }
            ++to_take_back_;
            loop_.cancel(&op);
        };
        struct last_operation : operation {
            explicit last_operation(fiber& whose) noexcept : operation(&run), runtime(whose) {}
            static void run(operation* self) noexcept {
                fiber& runtime = static_cast<last_operation*>(self)->runtime;
                if (--runtime.to_take_back_ == 0) runtime.loop_.stop();
            }
            fiber& runtime;
        } last(*this);
        try {
            to_take_back_ = 1;
            loop_.post(&last);
            scheduler_.for_each_waiting(take_back);
            while (to_take_back_ > 0) loop_.run();
            deadlines_.forget_all();
            deadlines_.take_alarm_back();
        } catch (...) {
            report_("the loop failed as a runtime ended: " + describe(std::current_exception()));
        }
    }

    static void print(const std::string& line) {
        std::fprintf(stderr, "overlap: %s\n", line.c_str());
    }

    Loop& loop_;
    fibers::report_function report_ = &print;
    std::size_t to_take_back_ = 0;
    loop_reference reference_{loop_};
    deadline_queue<Loop> deadlines_{loop_};
    fibers::scheduler scheduler_;
};

}  // namespace overlap
