// A gather of fibers: who runs its tasks, and which of them are there to be cancelled.
#pragma once

#include <overlap/core/task_results.hpp>
#include <overlap/fiber/scheduler.hpp>

#include <cstddef>

namespace overlap::fibers {

/// The tasks of a gather that have begun and not ended. Lies on the stack of the task that gathers, and its members on those of its children: a doubly linked
/// list, so that nothing is allocated.
class gathered : public cancel_hook {
public:
    /// One child, while it exists.
    class member {
    public:
        member(gathered& all, runner& child) noexcept
            : all_(all), child_(child), previous_(all.last_) {
            (previous_ == nullptr ? all.first_ : previous_->next_) = this;
            all.last_ = this;
        }
        member(const member&) = delete;
        member& operator=(const member&) = delete;
        ~member() {
            (previous_ == nullptr ? all_.first_ : previous_->next_) = next_;
            (next_ == nullptr ? all_.last_ : next_->previous_) = previous_;
        }

    private:
        friend gathered;

        gathered& all_;
        runner& child_;
        member* previous_;
        member* next_ = nullptr;
    };

    gathered() noexcept : cancel_hook{&cancel_from_outside} {}

    /// Throws std::bad_alloc when the loop does.
    void cancel_all(const loop_reference& loop) const {
        for (member* each = first_; each != nullptr; each = each->next_) {
            each->child_.cancel(0, loop);
        }
    }

private:
    static void cancel_from_outside(cancel_hook& self, const loop_reference& loop) {
        static_cast<gathered&>(self).cancel_all(loop);
    }

    member* first_ = nullptr;
    member* last_ = nullptr;
};

/// One gather, on the stack of the task that waits for it.
template <class Body>
struct gathering : assignment, gathered {
    gathering(std::size_t first, const Body& what, runner& waiter,
              task_results<task_result_t<Body>>& where)
        : assignment{&run_next}, parent(waiter), body(what), next(first), results(where) {}

    static runner* run_next(assignment& what, runner& self) noexcept {
        auto& all = static_cast<gathering&>(what);
        const std::size_t index = all.next;  // Soon that of another task.
        {
            const member present(all, self);
            all.results.run(all.body, index);
        }
        return --all.pending == 0 ? &all.parent : nullptr;
    }

    /// Records the exception that is being handled.
    void fail_next() noexcept {
        results.run([](std::size_t) -> task_result_t<Body> { throw; }, next);
    }

    runner& parent;
    const Body& body;
    std::size_t next;
    std::size_t pending = 1;  // One for the parent, so that no child resumes it too early.
    task_results<task_result_t<Body>>& results;
};

}  // namespace overlap::fibers
