// A gather whose children run on several shards; the shard that gathers is its owner.
//
// As an outermost gather starts, each shard gets an equal contiguous block. *Sharded*, that is all.
// *Stealing*, a shard that has nothing to do takes the upper half of what another has not yet started,
// from the outermost gather that has such children. The owner's path has no atomic operation and no lock
// (see biased_lock.hpp): the thief pays. A child that has started stays where it is.
//
// When a child has to wait, what is ready has its turn before the shard starts another, and it starts those
// of the innermost gather first: depth first, as far as children only yield. What is started takes
// memory, and cannot be stolen. Cancelling a task that gathers waits for the children.
#pragma once

#include <overlap/cores/last_step.hpp>
#include <overlap/cores/shard.hpp>
#include <overlap/coroutine/gather.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace overlap {

/// How the children of a gather come to the shards.
enum class dealing { sharded, stealing };

namespace detail {

/// The part of a gather that does not depend on what its children are.
template <event_loop Loop, dealing How>
class dealt_gather_base {
    template <class Operation>
    using duty = typename shard<Loop>::template duty<Operation>;

public:
    dealt_gather_base(const dealt_gather_base&) = delete;
    dealt_gather_base& operator=(const dealt_gather_base&) = delete;

    /// A shard's duty: starts some children of the innermost range.
    static void start_more(operation* self) noexcept {
        shard<Loop>& here = static_cast<duty<operation>*>(self)->owner;
        here.start_posted = false;
        if (child_range* const innermost = here.ranges.innermost()) {
            auto& which = *static_cast<range*>(innermost);
            which.gather.go_on(which).resume();
        }
    }

    /// A shard's duty when it has nothing else: looks for something to do, for some microseconds, and
    /// then notes that it is idle.
    static void search(operation* self) noexcept {
        shard<Loop>& thief = static_cast<duty<timer_operation>*>(self)->owner;
        thief.search_posted = false;
        look_around(thief);
    }

    /// The same, when another shard has published something.
    static void wake(operation* self) noexcept {
        shard<Loop>& thief = static_cast<duty<operation>*>(self)->owner;
        // Whoever finds this still set has published before, and is seen from here on.
        thief.wake_posted.exchange(false, std::memory_order_acq_rel);
        thief.idle_since = thief.loop.now();
        if (!begin_dealt(thief)) look_around(thief);
    }

protected:
    using group = shard_group<Loop>;
    using start_function = void (*)(dealt_gather_base&, child_range&, std::size_t) noexcept;
    static void look_around(shard<Loop>& thief) noexcept {
        if (thief.busy != 0 || thief.search_posted) return;
        const time_point now = thief.loop.now();
        const bool patient = now - thief.idle_since < search_time;
        if (How == dealing::stealing && (begin_dealt(thief) || rob_anybody(thief, patient))) return;
        if (patient) {
            std::this_thread::yield();  // (Which also has the kernel count this thread's time.)
            return post_search(thief);
        }
        if constexpr (How == dealing::stealing) {
            // Who publishes children looks at the idle bits afterwards. With the fence, either they see
            // the bit, or their children are seen here.
            thief.group->idle.add(thief.index);
            process_fence::run();
            if (!any_left(thief) || !thief.group->idle.remove(thief.index)) return;
            thief.idle_since = now;
            post_search(thief);
        }
    }

    dealt_gather_base(group& shards, std::size_t count, start_function start) noexcept
        : group_(shards), start_(start), count_(count), own_(*this) {}
    ~dealt_gather_base() = default;

    /// Starts children, and returns what is to be resumed: the waiter, when all have ended already.
    std::coroutine_handle<> begin(std::coroutine_handle<> waiter, std::coroutine_handle<>* children,
                                  void* results) noexcept {
        owner_ = group::here;
        own_.end = count_;
        own_.target.children = children;
        own_.target.results = results;
        own_.target.waiter = waiter;
        own_.target.pending = 1;  // For the starting, so that no child resumes too early.
        waiter_.waiter = waiter;
        const bool outermost = owner_->busy++ == 0;
        if (outermost) {
            own_.begun = owner_->loop.now();
            deal();
        }
        publish(own_, *owner_);
        return go_on(own_);
    }

    /// To be called by the waiter when it goes on. Throws what the child of the lowest index threw.
    void finish() {
        if (owner_ == nullptr) return;  // There were no children.
        if (!shared_) own_ended();
        if (failure_) std::rethrow_exception(std::move(failure_));
    }

private:
    struct range : child_range {
        explicit range(dealt_gather_base& its_gather) noexcept
            : child_range(nullptr), gather(its_gather) {}

        dealt_gather_base& gather;
        time_point begun{};       ///< Of one that is outermost on its shard.
        std::size_t started = 0;  ///< Of its children.
    };

    /// In the hands of another shard than the owner; frees itself.
    struct handed_over : range {
        handed_over(dealt_gather_base& its_gather, std::size_t from, std::size_t to) noexcept
            : range(its_gather) {
            this->done = &handed_over::arrive;
            this->next = from;
            this->end = to;
            this->target.children = its_gather.own_.target.children;
            this->target.results = its_gather.own_.target.results;
        }

        static void arrive(operation* self) noexcept {
            auto& range = *static_cast<handed_over*>(self);
            shard<Loop>& here = *group::here;
            ++here.busy;
            range.begun = here.loop.now();
            try {
                range.target.waiter = end_elsewhere(&range).frame;
            } catch (const std::bad_alloc&) {
                range.target.fail(range.next, std::current_exception());
                return range.leave_gather();
            }
            range.target.pending = 1;
            publish(range, here);
            range.gather.go_on(range).resume();
        }

        /// The gather may be gone as soon as its last range has left it.
        void leave_gather() noexcept {
            const std::unique_ptr<handed_over> ended(this);
            dealt_gather_base& from = this->gather;
            from.note_failure(this->target);
            leave(*group::here, *this);
            Loop& loop = from.owner_->loop;
            operation* const back = &from.waiter_;
            if (from.is_last()) loop.post_remote(back);
        }
    };

    // ---- starting ------------------------------------------------------------------------------

    /// Starts children of a range that is in the hands of the calling shard until one has to wait, and
    /// posts that there are more. Returns what is to be resumed.
    std::coroutine_handle<> go_on(range& which) noexcept {
        shard<Loop>& here = *group::here;
        do {
            const std::size_t index = take(which, here);
            if (index == none) return started_all(which, here);
            ++which.target.pending;
            ++which.started;
            start_(*this, which, index);
            if (!which.listed) return started_all(which, here);
        } while (which.target.pending == 1);
        if constexpr (How == dealing::stealing) {
            if (group_.idle.any() && here.may_wake()) wake_somebody();
        }
        post_start(here);
        return std::noop_coroutine();
    }

    static void post_start(shard<Loop>& here) noexcept {
        if (!std::exchange(here.start_posted, true)) here.loop.post(&here.start);
    }

    static void publish(range& which, shard<Loop>& here) noexcept {
        if constexpr (How == dealing::stealing) here.lock.lock_as_owner();
        here.ranges.push_innermost(&which);
        here.note_left();
        if constexpr (How == dealing::stealing) {
            here.lock.unlock_as_owner();
            dealt_gather_base& gather = which.gather;
            if (gather.group_.idle.any() && here.may_wake()) gather.wake_somebody();
        }
    }

    static constexpr std::size_t none = unlimited;

    /// The next child to start, or `none`, and then nobody can take one from this range any more.
    static std::size_t take(range& which, shard<Loop>& here) noexcept {
        if constexpr (How == dealing::stealing) here.lock.lock_as_owner();
        const bool any = which.next != which.end;
        const std::size_t index = any ? which.next++ : none;
        if (which.left() == 0) here.ranges.remove(&which);
        if constexpr (How == dealing::stealing) here.note_left();
        if constexpr (How == dealing::stealing) here.lock.unlock_as_owner();
        return index;
    }

    /// Without memory for a frame of some bytes this ends the program: there is nobody to be told.
    std::coroutine_handle<> started_all(range& which, shard<Loop>& here) noexcept {
        if (here.ranges.innermost() != nullptr) post_start(here);
        if (&which == &own_ && shared_) own_.target.waiter = end_here(this).frame;
        if (--which.target.pending == 0) return which.target.waiter;
        return std::noop_coroutine();
    }

    // ---- dealing -------------------------------------------------------------------------------

    /// Equal blocks, the first of which the owner keeps.
    void deal() noexcept {
        const std::size_t shards = std::min(group_.shards.size(), count_);
        for (std::size_t i = shards; i-- > 1;) {
            const std::size_t to = (owner_->index + i) % group_.shards.size();
            const std::size_t from = count_ * i / shards;
            auto* const block = new (std::nothrow) handed_over(*this, from, own_.end);
            if (block == nullptr) return;  // The owner keeps what nobody else can have.
            own_.end = from;
            note_shared();
            shard<Loop>& other = *group_.shards[to];
            child_range* nothing = nullptr;
            if (How == dealing::stealing &&
                other.dealt.compare_exchange_strong(nothing, block, std::memory_order_acq_rel)) {
                group_.idle.remove(to);
                post_wake(other);
            } else {
                other.loop.post_remote(block);
            }
        }
    }

    /// Begins what has been dealt out to a shard on the calling thread, if nobody else has.
    static bool begin_dealt(shard<Loop>& to) noexcept {
        if (to.dealt.load(std::memory_order_relaxed) == nullptr) return false;
        child_range* const block = to.dealt.exchange(nullptr, std::memory_order_acq_rel);
        if (block == nullptr) return false;
        handed_over::arrive(block);
        return true;
    }

    /// From now on the end of the owner's children is not the end of the gather. For the owner, or
    /// under the lock of who has children of this gather.
    void note_shared() noexcept {
        if (!shared_) shared_ = true;  // Others read it, once it is.
        open_ranges_.fetch_add(1, std::memory_order_relaxed);
    }

    // ---- stealing ------------------------------------------------------------------------------

    void wake_somebody() noexcept {
        const std::size_t idle = group_.idle.take();
        if (idle == idle_shards::most) return;
        post_wake(*group_.shards[idle]);
    }

    static void post_wake(shard<Loop>& sleeper) noexcept {
        if (sleeper.wake_posted.exchange(true, std::memory_order_acq_rel)) return;
        sleeper.loop.post_remote(&sleeper.woken);
    }

    /// A thief that is patient takes only what is worth its price; one that has waited takes whatever
    /// there is, for its victim may be busy with a child that is longer than all before.
    static bool rob_anybody(shard<Loop>& thief, bool patient) noexcept {
        const auto& all = thief.group->shards;
        for (std::size_t i = 1; i < all.size(); ++i) {
            shard<Loop>& victim = *all[(thief.index + i) % all.size()];
            if (!patient && begin_dealt(victim)) return true;
            if (!has_any(victim) || (patient && !is_worth_while(thief, victim))) continue;
            const time_point begun = thief.loop.now();
            handed_over* const loot = rob(victim);
            thief.theft_cost = thief.loop.now() - begun;
            if (loot == nullptr) continue;
            handed_over::arrive(loot);
            return true;
        }
        return false;
    }

    /// Takes the upper half of what is left of the outermost range; nullptr if there is nothing.
    static handed_over* rob(shard<Loop>& victim) noexcept {
        void* const memory = ::operator new(sizeof(handed_over), std::nothrow);
        if (memory == nullptr) return nullptr;
        handed_over* loot = nullptr;
        victim.lock.lock_as_other();
        if (child_range* const from = victim.ranges.outermost_with_children()) {
            auto& gather = static_cast<range*>(from)->gather;
            const std::size_t middle = from->end - (from->left() + 1) / 2;
            loot = ::new (memory) handed_over(gather, middle, from->end);
            from->end = middle;
            gather.note_shared();
        }
        victim.lock.unlock_as_other();
        if (loot == nullptr) ::operator delete(memory);
        return loot;
    }

    static bool has_any(const shard<Loop>& victim) noexcept {
        return victim.left.load(std::memory_order_relaxed) != 0;
    }

    /// A thief holds up its victim for about as long as it takes itself: a microsecond, or fifty where
    /// the fence of all threads has to leave a virtual machine.
    static bool is_worth_while(const shard<Loop>& thief, const shard<Loop>& victim) noexcept {
        const std::size_t loot = (victim.left.load(std::memory_order_relaxed) + 1) / 2;
        return thief.child_cost * static_cast<std::int64_t>(loot) > 2 * thief.theft_cost;
    }

    static bool any_left(shard<Loop>& thief) noexcept {
        const auto& all = thief.group->shards;
        return std::any_of(all.begin(), all.end(), [&](shard<Loop>* each) {
            return each->dealt.load(std::memory_order_relaxed) != nullptr ||
                   (each != &thief && has_any(*each));
        });
    }

    // ---- ending --------------------------------------------------------------------------------

    /// What the last child of the owner's own resumes.
    static last_step end_here(dealt_gather_base* gather) {
        gather->own_ended();
        const std::coroutine_handle<> waiter = gather->waiter_.waiter;
        co_return gather->is_last() ? waiter : std::noop_coroutine();
    }

    /// What the last child of another shard's range resumes.
    static last_step end_elsewhere(handed_over* which) {
        which->leave_gather();
        co_return std::noop_coroutine();
    }

    /// Whether nobody else has children of this gather any more.
    bool is_last() noexcept { return open_ranges_.fetch_sub(1, std::memory_order_acq_rel) == 1; }

    void own_ended() noexcept {
        note_failure(own_.target);
        if (shared_) return leave(*owner_, own_);
        --owner_->busy;  // Nobody was interested, so there is nothing to be found.
    }

    static void leave(shard<Loop>& here, const range& with) noexcept {
        if (--here.busy != 0) return;
        here.idle_since = here.loop.now();
        const auto took = std::chrono::duration_cast<nanoseconds>(here.idle_since - with.begun);
        here.child_cost = took / static_cast<std::int64_t>(std::max<std::size_t>(with.started, 1));
        post_search(here);
    }

    static void post_search(shard<Loop>& here) noexcept {
        if (std::exchange(here.search_posted, true)) return;
        here.loop.call_at(&here.search, here.idle_since);
    }

    /// To wake a thread that sleeps takes up to 50 us on a virtual machine; whoever gathers again at
    /// once need not wait for that.
    static constexpr std::chrono::microseconds search_time{50};

    void note_failure(task_target& of) noexcept {
        if (!of.error) return;
        const std::lock_guard lock(failure_mutex_);
        if (failure_ && failure_index_ < of.error_index) return;
        failure_ = std::move(of.error);
        failure_index_ = of.error_index;
    }

    group& group_;
    start_function start_;
    std::size_t count_;
    shard<Loop>* owner_ = nullptr;
    range own_;
    bool shared_ = false;  ///< Final once the owner has no children to start any more.
    resume_operation<operation> waiter_;
    std::mutex failure_mutex_;
    std::exception_ptr failure_;
    std::size_t failure_index_ = 0;
    std::atomic<std::size_t> open_ranges_ = 1;
};

}  // namespace detail

/// The awaitable behind gather(count, body) of a runtime with several shards. `body` stays alive until
/// the last child ends, and is called by several threads at once.
template <event_loop Loop, dealing How, class Body>
class [[nodiscard]] dealt_gather : detail::dealt_gather_base<Loop, How> {
    using base = detail::dealt_gather_base<Loop, How>;
    using child_task = std::invoke_result_t<Body&, std::size_t>;
    static_assert(detail::is_task<child_task>, "gather(count, body): body(index) returns a task");
    using value = typename child_task::value_type;

public:
    dealt_gather(detail::shard_group<Loop>& shards, std::size_t count, Body body)
        : base(shards, count, &start), count_(count), body_(std::move(body)) {}

    [[nodiscard]] bool await_ready() const noexcept { return count_ == 0; }

    /// Throws std::bad_alloc, before any child was started.
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiter) {
        void* results = nullptr;
        if constexpr (!std::is_void_v<value>) {
            slots_.resize(count_);
            results = slots_.data();
        }
        return this->begin(waiter, children_.make(count_), results);
    }

    typename detail::gathered<value>::type await_resume() {
        this->finish();
        return detail::take_all<value>(slots_);
    }

private:
    static void start(base& self, detail::child_range& range, std::size_t index) noexcept {
        auto& gather = static_cast<dealt_gather&>(self);
        detail::start_child(gather.body_, index, range.target, gather.children_);
    }

    std::size_t count_;
    Body body_;
    [[no_unique_address]] detail::slots_of<value> slots_;
    detail::child_frames children_;  // Destroyed first: tasks that have not ended use all of this.
};

}  // namespace overlap
