// Armed timers in exact order of deadline: a hierarchical timing wheel at nanosecond resolution.
//
// Arming and cancelling take constant time and no memory beyond the timers themselves, which a
// million sleeping tasks notice (a binary heap would add 16 to 24 bytes a timer, and moving entries
// in it would touch a random task's memory at each level).
//
// A deadline is read as eleven digits of six bits. A timer stands at the level of the highest digit
// in which its deadline differs from `current_`, in the slot of that digit's value; so every slot
// of a lower level is due before any slot of a higher one. When time reaches a slot, its timers are
// dealt out to the lower levels, in order, until at level 0 all timers of a slot share one
// deadline. Timers of one delay come to a slot in order of deadline already; those that are due are
// taken from such a slot at once, which spares a million sleepers four passes over their memory.
// Source: the hierarchical wheel of G. Varghese and A. Lauck, "Hashed and hierarchical
// timing wheels", SOSP 1987, scheme 7; taken to full resolution it is the radix heap of R. Ahuja et
// al., "Faster algorithms for the shortest path problem", J. ACM 37 (1990).
#pragma once

#include <overlap/core/operation_queue.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <optional>

namespace overlap {

/// Holds timers that others own. Timers with equal deadlines expire in the order they were armed.
/// Not thread-safe. Never throws.
class timer_wheel {
public:
    /// Arms `op` for `deadline`; one that has passed counts as the time of the last expire().
    void arm(timer_operation* op, time_point deadline) noexcept {
        op->deadline = std::max(deadline, time_point(nanoseconds(current_)));
        op->state = armed;
        ++size_;
        insert(op);
    }

    /// Disarms `op`. Returns false, and does nothing, when it is not armed (any more).
    bool cancel(timer_operation* op) noexcept {
        if (op->state != armed) return false;
        unlink(op);
        op->state = idle;
        --size_;
        return true;
    }

    /// Moves every timer whose deadline is at or before `now` to `ready`, earliest first, with
    /// result 0. `now` must not go backwards.
    void expire(time_point now, operation_queue& ready) noexcept {
        const std::uint64_t present = ticks(now);
        while (size_ > 0) {
            const position first = earliest_slot();
            const std::uint64_t start = start_of(first);
            if (start > present) break;
            current_ = start;
            slot& due = slot_at(first);
            timer_operation* op = due.first;
            due.first = nullptr;
            occupied_[first.level] &= ~(std::uint64_t{1} << first.digit);
            if (due.in_order) op = complete_until(present, op, ready);
            deal_out(op);
        }
        current_ = std::max(current_, present);
    }

    /// When to call expire() next, or nothing when no timer is armed. After a cancel it may name a
    /// time at which nothing turns out to be due, at most once for each.
    [[nodiscard]] std::optional<time_point> next() const noexcept {
        if (size_ == 0) return std::nullopt;
        const position first = earliest_slot();
        return time_point(nanoseconds(slots_[first.level][first.digit].earliest));
    }

    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

private:
    static constexpr unsigned digit_bits = 6;
    static constexpr unsigned level_count = 11;  // 66 bits, enough for any 64-bit time.
    static constexpr unsigned slot_count = 1U << digit_bits;
    enum : std::uint8_t { idle, armed };

    struct position {
        unsigned level;
        unsigned digit;
    };

    struct slot {
        timer_operation* first = nullptr;
        timer_operation* last = nullptr;  // Meaningful only while first is set.
        std::uint64_t earliest = 0;       // No timer of the slot is due before this.
        std::uint64_t latest = 0;         // Of those that came, while in_order: that of the last.
        bool in_order = true;  // Whether each came with no earlier deadline than the last.
    };

    static std::uint64_t ticks(time_point t) noexcept {
        return static_cast<std::uint64_t>(std::max<std::int64_t>(t.time_since_epoch().count(), 0));
    }

    [[nodiscard]] position position_of(std::uint64_t deadline) const noexcept {
        const auto highest = static_cast<unsigned>(std::bit_width((deadline ^ current_) | 1)) - 1;
        const unsigned level = highest / digit_bits;
        const auto digit =
            static_cast<unsigned>(deadline >> (level * digit_bits)) & (slot_count - 1);
        return {level, digit};
    }

    [[nodiscard]] position earliest_slot() const noexcept {
        unsigned level = 0;
        while (occupied_[level] == 0) ++level;
        return {level, static_cast<unsigned>(std::countr_zero(occupied_[level]))};
    }

    [[nodiscard]] std::uint64_t start_of(position at) const noexcept {
        const unsigned shift = at.level * digit_bits;
        const unsigned above = shift + digit_bits;
        const std::uint64_t prefix = above < 64 ? current_ >> above << above : 0;
        return prefix | (std::uint64_t{at.digit} << shift);
    }

    slot& slot_at(position at) noexcept { return slots_[at.level][at.digit]; }
    static timer_operation* next_of(timer_operation* op) noexcept {
        return static_cast<timer_operation*>(op->next);
    }

    void insert(timer_operation* op) noexcept {
        const std::uint64_t deadline = ticks(op->deadline);
        const position at = position_of(deadline);
        slot& into = slot_at(at);
        op->next = nullptr;
        if (into.first == nullptr) {
            occupied_[at.level] |= std::uint64_t{1} << at.digit;
            op->scratch = nullptr;
            into.first = op;
            into.earliest = deadline;
            into.in_order = true;
        } else {
            op->scratch = into.last;
            into.last->next = op;
            into.earliest = std::min(into.earliest, deadline);
            into.in_order = into.in_order && into.latest <= deadline;
        }
        into.latest = deadline;
        into.last = op;
    }

    void unlink(timer_operation* op) noexcept {
        const position at = position_of(ticks(op->deadline));
        slot& from = slot_at(at);
        auto* before = static_cast<timer_operation*>(op->scratch);
        timer_operation* after = next_of(op);
        if (before != nullptr) {
            before->next = after;
        } else {
            from.first = after;
            if (after == nullptr) occupied_[at.level] &= ~(std::uint64_t{1} << at.digit);
        }
        if (after != nullptr) {
            after->scratch = before;
        } else {
            from.last = before;
        }
    }

    /// Of a list in order of deadline, completes those due at or before `present`. Returns the rest.
    timer_operation* complete_until(std::uint64_t present, timer_operation* op,
                                    operation_queue& ready) noexcept {
        while (op != nullptr && ticks(op->deadline) <= present) {
            timer_operation* after = next_of(op);
            __builtin_prefetch(after);
            op->state = idle;
            op->result = 0;
            ready.push(op);
            --size_;
            op = after;
        }
        return op;
    }

    void deal_out(timer_operation* op) noexcept {
        while (op != nullptr) {
            timer_operation* after = next_of(op);
            __builtin_prefetch(after);
            insert(op);
            op = after;
        }
    }

    std::uint64_t current_ = 0;  // Nanoseconds; no armed deadline is before it.
    std::size_t size_ = 0;
    std::array<std::uint64_t, level_count> occupied_{};  // One bit a slot.
    std::array<std::array<slot, slot_count>, level_count> slots_{};
};

}  // namespace overlap
