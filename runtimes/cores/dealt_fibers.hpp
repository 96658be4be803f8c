// A gather on fibers whose children run on several shards; the task that gathers waits on its own.
//
// As an outermost gather starts, each shard gets an equal contiguous block, which a fiber there gathers
// as on one loop. That is one remote post out and one back for each shard, however many children there
// are. Cancelling the task that gathers ends the children on its own shard, and waits for the others.
#pragma once

#include <overlap/core/event_loop.hpp>
#include <overlap/core/task_results.hpp>
#include <overlap/fiber/fiber.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <vector>

namespace overlap::detail {

template <event_loop Loop>
struct fiber_shard;

/// What the shards of a runtime know of each other.
template <event_loop Loop>
struct fiber_shard_group {
    fiber_options options;
    std::vector<fiber_shard<Loop>*> shards{};  ///< By index; complete before the first gather.
    /// The shard of the calling thread, in a task.
    static inline constinit thread_local fiber_shard<Loop>* here = nullptr;
};

/// What belongs to one thread. Others use `loop.post_remote`.
template <event_loop Loop>
struct fiber_shard {
    using group_type = fiber_shard_group<Loop>;

    fiber_shard(group_type& group, Loop& its_loop, std::size_t its_index)
        : loop(its_loop), runtime(loop, group.options), index(its_index) {}

    void joined() noexcept {}
    void left() noexcept { closed = true; }

    Loop& loop;
    fiber<Loop> runtime;
    std::size_t index;
    /// Gathers, and parts of gathers, that are under way here.
    std::size_t busy = 0;
    /// A runtime that ends with tasks left runs its loop once more, but begins nothing.
    bool closed = false;
};

/// Counts a gather, as long as it exists, among those of a shard.
template <event_loop Loop>
class busy_mark {
public:
    explicit busy_mark(fiber_shard<Loop>& where) noexcept : where_(where) { ++where_.busy; }
    busy_mark(const busy_mark&) = delete;
    busy_mark& operator=(const busy_mark&) = delete;
    ~busy_mark() { --where_.busy; }

private:
    fiber_shard<Loop>& where_;
};

/// One such gather, on the stack of the task that waits for it.
template <event_loop Loop, class Body>
class dealt_fibers {
public:
    /// Of at least one child. Throws std::bad_alloc, before any was started.
    dealt_fibers(fiber_shard_group<Loop>& shards, std::size_t count, const Body& body)
        : shards_(shards.shards), owner_(*fiber_shard_group<Loop>::here), count_(count),
          body_(body), results_(count), blocks_(std::min(shards_.size(), count) - 1),
          open_blocks_(blocks_.size() + 1) {}
    dealt_fibers(const dealt_fibers&) = delete;
    dealt_fibers& operator=(const dealt_fibers&) = delete;
    ~dealt_fibers() = default;

    /// Runs the children and returns what they return, or throws what the one of the lowest index threw.
    auto run() {
        fibers::runner& self = owner_.runtime.scheduler().current();
        self.cancelling().check();
        const bool was_cancelled = self.cancelling().is_requested();
        bool ends = false;
        deal();
        try {
            owner_.runtime.gather_part(0, end_of(0), body_, results_);
        } catch (const fibers::unwinding&) {
            ends = true;  // Not before the other shards are done with what lies here.
        }
        waiter_.task = &self;
        // Not to be cancelled: another shard will post it.
        if (!is_last()) self.suspend_for(&waiter_, true);
        if (ends) throw fibers::unwinding();
        if (!was_cancelled) fibers::end_if_cancelled(self);
        return results_.take();
    }

private:
    /// The children of another shard than the owner. They lie in memory that stays when a runtime ends
    /// with tasks left, for they may still be on their way then.
    struct block : operation, fibers::assignment {
        block() noexcept : operation(&arrive), fibers::assignment{&run} {}

        static void arrive(operation* self) noexcept {
            auto& mine = *static_cast<block*>(self);
            fiber_shard<Loop>& here = *fiber_shard_group<Loop>::here;
            if (here.closed) return;
            fibers::scheduler& scheduler = here.runtime.scheduler();
            try {
                scheduler.start(scheduler.take(), mine);
            } catch (...) {  // There is no memory for a stack.
                mine.gather->results_.run([](std::size_t) -> task_result_t<Body> { throw; },
                                          mine.from);
                mine.gather->leave();
            }
        }

        static fibers::runner* run(fibers::assignment& what, fibers::runner&) noexcept {
            dealt_fibers& all = *static_cast<block&>(what).gather;
            fiber_shard<Loop>& here = *fiber_shard_group<Loop>::here;
            {
                const auto& mine = static_cast<block&>(what);
                const busy_mark<Loop> mark(here);
                here.runtime.gather_part(mine.from, mine.to, all.body_, all.results_);
            }
            all.leave();  // From here on it may be gone.
            return nullptr;
        }

        dealt_fibers* gather = nullptr;
        std::size_t from = 0;
        std::size_t to = 0;
    };

    struct waiting : operation {
        explicit waiting(fiber_shard<Loop>& where) noexcept : operation(&resume), owner(where) {}

        static void resume(operation* self) noexcept {
            auto& mine = *static_cast<waiting*>(self);
            mine.owner.runtime.scheduler().resume(mine.task);
        }

        fiber_shard<Loop>& owner;
        fibers::runner* task = nullptr;
    };

    /// Behind the last child of a block; the owner has block 0.
    [[nodiscard]] std::size_t end_of(std::size_t number) const noexcept {
        return count_ * (number + 1) / (blocks_.size() + 1);
    }

    void deal() noexcept {
        for (std::size_t i = 1; i <= blocks_.size(); ++i) {
            block& each = blocks_[i - 1];
            each.gather = this;
            each.from = end_of(i - 1);
            each.to = end_of(i);
            shards_[(owner_.index + i) % shards_.size()]->loop.post_remote(&each);
        }
    }

    bool is_last() noexcept { return open_blocks_.fetch_sub(1, std::memory_order_acq_rel) == 1; }
    /// For other shards than the owner.
    void leave() noexcept {
        if (is_last()) owner_.loop.post_remote(&waiter_);
    }

    const std::vector<fiber_shard<Loop>*>& shards_;
    fiber_shard<Loop>& owner_;
    std::size_t count_;
    const Body& body_;
    task_results<task_result_t<Body>> results_;
    std::vector<block> blocks_;
    std::atomic<std::size_t> open_blocks_;
    waiting waiter_{owner_};
};

}  // namespace overlap::detail
