// Tasks that run in the background and are joined later, or never.
#pragma once

#include <overlap/core/error.hpp>
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
    background(scheduler& home, runner& carrier) noexcept : home_(home), carrier_(carrier) {}

    /// Runs the task: `function` also destroys what belongs to it, before anybody learns the result.
    template <class Function>
    void run(Function function) noexcept {
        outcome_.run(function);
    }
    [[nodiscard]] const std::exception_ptr& error() const noexcept { return outcome_.error(); }

    /// Tells who joins the task, and waits until the handle lets go.
    void end(const report_function& report) noexcept {
        ended_ = true;
        if (has_handle_) carrier_.suspend_for(nullptr, joiner_);
        if (error()) report("a spawned task failed: " + describe(error()));
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
            joiner_ = &self;
            self.suspend_for(nullptr);
        }
        return std::move(outcome_);
    }

    void let_go() noexcept {
        has_handle_ = false;
        if (ended_) home_.resume(&carrier_);
    }

private:
    scheduler& home_;
    runner& carrier_;
    runner* joiner_ = nullptr;
    bool has_handle_ = true;
    bool ended_ = false;
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

    /// Waits for the end of the task; returns its result or throws what it threw. May be called
    /// once, by one task, and after run() only if the task has ended: std::logic_error otherwise.
    T join() {
        if (task_ == nullptr) {
            throw std::logic_error("a spawned task can be joined once, and this one has been");
        }
        outcome<T> result = task_->join();
        std::exchange(task_, nullptr)->let_go();
        return result.take();
    }

private:
    background<T>* task_;
};

}  // namespace overlap::fibers
