// Tasks that run in the background and are joined later, or never.
#pragma once

#include <overlap/core/error.hpp>
#include <overlap/core/loop_reference.hpp>
#include <overlap/core/operation.hpp>
#include <overlap/fiber/cancellation.hpp>
#include <overlap/fiber/outcome.hpp>
#include <overlap/fiber/scheduler.hpp>

#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace overlap::fibers {

/// Who is told, in a line of text, of what went wrong with nobody there to catch it.
using report_function = std::function<void(const std::string&)>;

/// A background task, in the outermost frame of the runner that carries it. It stays there after
/// its end until the handle lets go, so nothing needs to be allocated.
template <class T>
class background {
public:
    background(scheduler& home, runner& carrier, const loop_reference& loop) noexcept
        : home_(home), carrier_(carrier), loop_(loop) {}

    /// Runs the task: `function` also destroys what belongs to it, before anybody learns the result.
    template <class Function>
    void run(Function function) noexcept {
        outcome_.run(function);
    }
    [[nodiscard]] const std::exception_ptr& error() const noexcept { return outcome_.error(); }

    /// Tells who joins the task, and waits until the handle lets go.
    void end(const report_function& report) noexcept {
        ended_ = true;
        if (has_handle_) carrier_.hand_over(joiner_);
        if (error() && !is_unwinding(error()))
            report("a spawned task failed: " + describe(error()));
    }

    [[nodiscard]] bool has_ended() const noexcept { return ended_; }

    outcome<T> join() {
        if (!ended_) {
            runner& self = home_.current();
            if (&self == &carrier_) {
                throw std::system_error(
                    std::make_error_code(std::errc::resource_deadlock_would_occur),
                    "a spawned task joins itself");
            }
            if (joiner_ != nullptr) throw std::logic_error("a spawned task is joined twice");
            self.cancelling().check();
            joiner_ = &self;
            join_wait wait(*this, self);
            self.suspend_for(wait);
            if (!ended_) self.cancelling().check();
        }
        return std::move(outcome_);
    }

    void cancel() {
        if (ended_ || was_cancelled_) return;
        carrier_.cancel(0, loop_);
        was_cancelled_ = true;
    }

    void let_go() noexcept {
        has_handle_ = false;
        if (ended_) home_.resume(&carrier_);
    }

private:
    /// When the joining task is cancelled, the joined one goes on.
    struct join_wait : cancel_hook {
        join_wait(background& what, runner& who) noexcept
            : cancel_hook{&give_up}, joined(what), joiner(who) {}

        static void give_up(cancel_hook& hook, const loop_reference& loop) {
            auto& self = static_cast<join_wait&>(hook);
            self.joined.joiner_ = nullptr;
            self.joiner.expect(self.wake);
            loop.post(&self.wake);
        }

        struct wake_operation : operation {
            explicit wake_operation(join_wait& whose) noexcept : operation(&resume), wait(whose) {}
            static void resume(operation* self) noexcept {
                join_wait& wait = static_cast<wake_operation*>(self)->wait;
                wait.joined.home_.resume(&wait.joiner);
            }
            join_wait& wait;
        };

        background& joined;
        runner& joiner;
        wake_operation wake{*this};
    };

    scheduler& home_;
    runner& carrier_;
    const loop_reference& loop_;
    runner* joiner_ = nullptr;
    bool has_handle_ = true;
    bool ended_ = false;
    bool was_cancelled_ = false;
    outcome<T> outcome_;
};

/// The handle of a background task. Dropping it lets the task go on alone; then a failure is
/// reported. Stays on the loop's thread, and must not outlive the runtime.
template <class T>
class [[nodiscard]] spawned {
public:
    explicit spawned(background<T>& task) noexcept : task_(&task) {}
    spawned(spawned&& other) noexcept : task_(std::exchange(other.task_, nullptr)) {}
    spawned& operator=(spawned&& other) noexcept {
        std::swap(task_, other.task_);
        return *this;
    }
    ~spawned() {
        if (task_ != nullptr) task_->let_go();
    }

    /// Whether the task has ended, by return or by exception.
    [[nodiscard]] bool is_done() const noexcept { return task_ == nullptr || task_->has_ended(); }

    /// Asks the task to end where it waits, or where it next waits, as cancellation.hpp says; one that
    /// has not begun never does. Whoever joins it is thrown std::system_error with
    /// std::errc::operation_canceled. A step of I/O that completed first goes to the task, which then
    /// ends at its next wait, or by itself. Does nothing when called again or when the task has
    /// ended. Throws std::bad_alloc when the loop needs memory that is not there; then it may be
    /// called again.
    void cancel() {
        if (task_ != nullptr) task_->cancel();
    }

    /// Waits for the end of the task; returns its result or throws what it threw. May be called
    /// once, by one task, and after run() only if the task has ended: std::logic_error otherwise.
    T join() {
        if (task_ == nullptr) {
            throw std::logic_error("a spawned task can be joined once, and this one has been");
        }
        outcome<T> result = task_->join();
        std::exchange(task_, nullptr)->let_go();
        if (is_unwinding(result.error())) throw cancelled_error();
        return result.take();
    }

private:
    background<T>* task_;
};

}  // namespace overlap::fibers
