// Fibers without a loop: runners, which carry one task after another, and who resumes whom.
#pragma once

#include <overlap/core/loop_reference.hpp>
#include <overlap/core/operation.hpp>
#include <overlap/fiber/cancellation.hpp>
#include <overlap/fiber/context.hpp>
#include <overlap/fiber/stack_arena.hpp>

#include <cstddef>
#include <cstdint>
#include <new>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

namespace overlap::fibers {

class runner;
class scheduler;

/// What a runner is told to run. Whoever starts the runner owns it; `run` copies what it needs
/// before the runner first suspends, unless the owner waits for the end.
struct assignment {
    /// Runs a task on `self`. Returns who is to run next, because it waited for this task, or
    /// nullptr.
    runner* (*run)(assignment& what, runner& self) noexcept;
};

/// A fiber: a context that carries one task after another, at the top of a stack of its own.
/// Between tasks it is parked, suspended and ready to be told the next one, which costs a switch
/// and no more. One cache line; the frames of the task lie just below.
class alignas(64) runner : public context {
public:
    /// Gives control back to the resumer. `submitted` is the operation that will resume this runner;
    /// `shielded` when it must not be cancelled.
    void suspend_for(operation* submitted, bool shielded = false) noexcept {
        submitted_ = submitted;
        waits_for_ = shielded ? waiting::shielded : waiting::operation;
        suspend(nullptr);
        waits_for_ = waiting::nothing;
    }
    /// Another runner will resume this one, or what `hook` does when it is cancelled.
    void suspend_for(cancel_hook& hook) noexcept {
        hook_ = &hook;
        waits_for_ = waiting::other;
        suspend(nullptr);
        waits_for_ = waiting::nothing;
    }
    /// For a hook: from now on what was posted will resume this runner, and nothing else.
    void expect(operation& posted) noexcept {
        submitted_ = &posted;
        waits_for_ = waiting::shielded;
    }
    /// The resumer resumes `next`, if there is one, and in its time somebody this one.
    void hand_over(runner* next) noexcept { suspend(next); }

    /// Whether the task, or a part of it inside a deadline, has been asked to end.
    [[nodiscard]] cancel_state& cancelling() noexcept { return cancelling_; }

    /// Asks the task to end, down to `level`, and cancels what it waits for. Throws std::bad_alloc when the
    /// loop does; then it may be called again.
    void cancel(std::uint16_t level, const loop_reference& loop) {
        if (!cancelling_.request(level)) return;
        if (waits_for_ == waiting::operation) loop.cancel(submitted_);
        if (waits_for_ == waiting::other) hook_->cancel(*hook_, loop);
    }

private:
    friend scheduler;

    /// Asks for the memory that starting it will touch: itself, and the frames below.
    void fetch() const noexcept {
        constexpr std::ptrdiff_t line = 64;
        for (std::ptrdiff_t below = 0; below < 4; ++below) {
            __builtin_prefetch(reinterpret_cast<const std::byte*>(this) - below * line, 1);
        }
    }

    inline runner(std::byte* limit, scheduler& home) noexcept;

    enum class waiting : std::uint8_t { nothing, operation, shielded, other };

    scheduler& home_;
    union {
        operation* submitted_ = nullptr;
        cancel_hook* hook_;
    };
    cancel_state cancelling_;
    waiting waits_for_ = waiting::nothing;
};

/// After a gather of a task that was not asked to end before it.
inline void end_if_cancelled(runner& self) {
    if (!self.cancelling().is_requested()) return;
    self.cancelling().check();
    throw unwinding();
}

/// The runners of one runtime. Belongs to one thread.
class scheduler {
public:
    scheduler(std::size_t stack_size, std::size_t spare_memory, guard_kind guards)
        : stacks_(stack_size, spare_memory, guards) {}
    scheduler(const scheduler&) = delete;
    scheduler& operator=(const scheduler&) = delete;

    /// Forgets runners that carry a task: nothing on their stacks is destroyed.
    ~scheduler() {
        if constexpr (address_sanitizer) {
            // It keeps memory for each context until the context ends.
            for (runner* each : parked_) each->resume(nullptr);
        }
        if constexpr (!std::is_trivially_destructible_v<runner>) {
            stacks_.for_each([](const stack& each) { runner_of(each)->~runner(); });
        }
    }

    /// The runner that is running. Throws std::logic_error when none is.
    [[nodiscard]] runner& current() const {
        if (current_ == nullptr) [[unlikely]]
            throw_outside();
        return *current_;
    }

    /// Whether a runner is running.
    [[nodiscard]] bool is_running() const noexcept { return current_ != nullptr; }

    /// Runners that carry a task.
    [[nodiscard]] std::size_t busy() const noexcept { return stacks_.count() - parked_.size(); }

    [[nodiscard]] const stack_arena& stacks() const noexcept { return stacks_; }

    /// A runner to be started: the one parked last, whose stack is still in the caches, or a new
    /// one. Throws limit_error when there is no memory for another stack.
    runner& take() {
        if (parked_.empty()) [[unlikely]]
            return make();
        runner& taken = *parked_.back();
        parked_.pop_back();
        if (parked_.size() >= fetched_ahead) parked_[parked_.size() - fetched_ahead]->fetch();
        return taken;
    }

    /// Starts what take() returned: runs `what` on it until it suspends or ends.
    void start(runner& taken, assignment& what) noexcept { resume(switch_to(taken, &what)); }

    /// Runs `next` until it suspends or ends; then, for as long as a runner that ends is waited
    /// for, the one that waited.
    void resume(runner* next) noexcept {
        while (next != nullptr) next = switch_to(*next, nullptr);
    }

    /// Calls visit(operation) for every operation that a runner waits for.
    template <class Visit>
    void for_each_waiting(Visit visit) const {
        stacks_.for_each([&](const stack& each) {
            const runner& one = *runner_of(each);
            if (one.waits_for_ == runner::waiting::operation ||
                one.waits_for_ == runner::waiting::shielded) {
                visit(*one.submitted_);
            }
        });
    }

private:
    friend runner;

    static constexpr std::size_t fetched_ahead = 4;  // Some 100 ns: as long as memory takes.

    [[noreturn]] static void throw_outside() {
        throw std::logic_error("a fiber runtime's call was made outside its tasks: see run()");
    }

    static runner* runner_of(const stack& where) noexcept {
        return std::launder(reinterpret_cast<runner*>(where.top - sizeof(runner)));
    }

    runner& make() {
        if (parked_.capacity() == stacks_.count()) parked_.reserve(2 * stacks_.count() + 16);
        const stack where = stacks_.carve();
        return *::new (where.top - sizeof(runner)) runner(where.limit, *this);
    }

    runner* switch_to(runner& next, assignment* what) noexcept {
        runner* const before = std::exchange(current_, &next);
        void* const after = next.resume(what);
        current_ = before;
        return static_cast<runner*>(after);
    }

    /// The outermost function of every runner. Up to its first suspension `self` is only a context.
    static void run_assignments(context& self) noexcept {
        void* message = self.suspend(nullptr);
        auto& me = static_cast<runner&>(self);
        scheduler& home = me.home_;
        while (message != nullptr) {
            auto& what = *static_cast<assignment*>(message);
            runner* const next = what.run(what, me);
            me.cancelling_ = cancel_state();
            home.parked_.push_back(&me);  // There is room for all: see make().
            message = me.suspend(next);
        }
        me.end();
    }

    stack_arena stacks_;
    runner* current_ = nullptr;
    // Side by side rather than as a list through the runners, so that the next ones can be fetched
    // while one is started: with 100,000 of them, each in a page of its own, that halves the cost.
    std::vector<runner*> parked_;
};

static_assert(sizeof(runner) == 64 || sanitized);

inline runner::runner(std::byte* limit, scheduler& home) noexcept
    : context(limit, &scheduler::run_assignments), home_(home) {}

}  // namespace overlap::fibers
