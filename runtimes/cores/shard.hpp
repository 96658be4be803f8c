// A shard: a loop on a thread of its own, and the ranges of children that it has yet to start.
#pragma once

#include <overlap/core/event_loop.hpp>
#include <overlap/cores/biased_lock.hpp>
#include <overlap/coroutine/coroutine.hpp>
#include <overlap/coroutine/task.hpp>

#include <atomic>
#include <bit>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace overlap::detail {

/// Which shards have nothing to do, a bit for each. A shard sets its own bit; whoever has work to give
/// clears it, and so is the only one to wake that shard.
class idle_shards {
public:
    static constexpr std::size_t most = 64;

    /// What the owner of work looks at between two tasks: a plain load.
    [[nodiscard]] bool any() const noexcept { return bits_.load(std::memory_order_relaxed) != 0; }

    void add(std::size_t shard) noexcept { bits_.fetch_or(bit(shard), std::memory_order_release); }
    /// Whether the shard was among them.
    bool remove(std::size_t shard) noexcept {
        return (bits_.fetch_and(~bit(shard), std::memory_order_acquire) & bit(shard)) != 0;
    }
    /// Takes the lowest out and returns its index; `most` when there is none.
    std::size_t take() noexcept {
        std::uint64_t seen = bits_.load(std::memory_order_relaxed);
        while (seen != 0) {
            const auto lowest = static_cast<std::size_t>(std::countr_zero(seen));
            if (remove(lowest)) return lowest;
            seen = bits_.load(std::memory_order_relaxed);
        }
        return most;
    }

private:
    static constexpr std::uint64_t bit(std::size_t shard) noexcept {
        return std::uint64_t{1} << shard;
    }

    alignas(cache_line) std::atomic<std::uint64_t> bits_ = 0;
};

/// Some of the children of a gather, in the hands of one shard: those that run there, and those that
/// it has yet to start. Posted to a shard, it begins there.
struct child_range : operation {
    std::size_t next = 0;          ///< The first child that has not been started.
    std::size_t end = 0;           ///< Behind the last.
    task_target target;            ///< Of the children of this range.
    child_range* inner = nullptr;  ///< Of the list of its shard, from the outermost gather inwards.
    child_range* outer = nullptr;
    bool listed = false;  ///< For the shard's own thread.

    explicit child_range(void (*begin)(operation*) noexcept) noexcept : operation(begin) {}

    [[nodiscard]] std::size_t left() const noexcept { return end - next; }
};

/// The ranges of a shard that have children to be started, the outermost first.
class range_list {
public:
    /// Few of them have none, and only because others have taken them.
    [[nodiscard]] child_range* outermost_with_children() const noexcept {
        child_range* found = first_;
        while (found != nullptr && found->left() == 0) found = found->inner;
        return found;
    }
    [[nodiscard]] child_range* innermost() const noexcept { return last_; }

    void push_innermost(child_range* range) noexcept {
        range->listed = true;
        range->inner = nullptr;
        range->outer = last_;
        (last_ == nullptr ? first_ : last_->inner) = range;
        last_ = range;
    }
    void remove(child_range* range) noexcept {
        range->listed = false;
        (range->outer == nullptr ? first_ : range->outer->inner) = range->inner;
        (range->inner == nullptr ? last_ : range->inner->outer) = range->outer;
    }

private:
    child_range* first_ = nullptr;
    child_range* last_ = nullptr;
};

template <event_loop Loop>
struct shard;

/// What the shards of a runtime know of each other.
template <event_loop Loop>
struct shard_group {
    std::vector<shard<Loop>*> shards;  ///< By index; complete before the first gather.
    idle_shards idle;
    /// The shard of the calling thread, in a task.
    static inline constinit thread_local shard<Loop>* here = nullptr;
};

/// What belongs to one thread. Others use `loop.post_remote`, the atomic members, and `ranges` under
/// `lock`.
template <event_loop Loop>
struct shard {
    using group_type = shard_group<Loop>;
    using function = void (*)(operation*) noexcept;

    shard(shard_group<Loop>& its_group, Loop& its_loop, std::size_t its_index, function start_more,
          function search_more, function wake)
        : group(&its_group), loop(its_loop), runtime(loop), index(its_index),
          start(start_more, *this), search(search_more, *this), woken(wake, *this) {}

    /// Something that a shard does when its loop comes to it.
    template <class Operation>
    struct duty : Operation {
        duty(function what, shard& whose) noexcept : Operation(what), owner(whose) {}
        shard& owner;
    };

    shard_group<Loop>* group;
    Loop& loop;
    coroutine<Loop> runtime;
    std::size_t index;
    /// Gathers, and parts of gathers, that are under way here.
    std::size_t busy = 0;
    duty<operation> start;  ///< Starts children of the innermost range.
    bool start_posted = false;
    /// Looks for children of others. A timer that is due, since a loop may run what is posted for a while
    /// before it looks whether another thread has posted something.
    duty<timer_operation> search;
    bool search_posted = false;
    time_point idle_since{};
    /// What a child took on average, of the last range that has ended here; at first it is not known.
    nanoseconds child_cost = std::chrono::seconds(1);
    /// How long the last theft took until there was something to start.
    nanoseconds theft_cost{};
    duty<operation> woken;  ///< The same, posted by whoever sets `wake_posted`.
    std::atomic<bool> wake_posted = false;
    /// What another shard has dealt out to this one, until this one, or one with nothing to do while this
    /// one is long busy, takes it out.
    std::atomic<child_range*> dealt = nullptr;
    biased_lock lock;
    range_list ranges;
    /// How many children of the outermost range that has some there are to start, as far as others can tell before
    /// they take the lock.
    std::atomic<std::size_t> left = 0;

    /// To be called by the owner when `ranges` has changed.
    void note_left() noexcept {
        const child_range* const from = ranges.outermost_with_children();
        left.store(from == nullptr ? 0 : from->left(), std::memory_order_relaxed);
    }

    /// Whether it is worth while to wake another shard for a gather inside a gather, or for what is left
    /// of one: not when the last one was woken so short a time ago that all may be done before it comes.
    [[nodiscard]] bool may_wake() {
        if (++unlooked_ < looks_once_in) return false;
        unlooked_ = 0;
        const time_point now = loop.now();
        if (now - woken_ < pause) return false;
        woken_ = now;
        unlooked_ = looks_once_in;
        return true;
    }

private:
    /// Waking a thread through an eventfd takes 5 us here, until it has joined in about twice that.
    static constexpr std::chrono::microseconds pause{20};
    /// A look at the clock takes 25 ns, longer than the start of a child.
    static constexpr unsigned looks_once_in = 16;

    time_point woken_{};
    unsigned unlooked_ = looks_once_in;
};

}  // namespace overlap::detail
