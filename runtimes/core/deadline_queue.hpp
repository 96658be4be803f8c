// The deadlines of a runtime: one timer of the loop for all of them.
//
// Nearly every deadline is taken back before it comes. So the loop hears of the earliest only, and when
// that one is taken back its timer stays where it is: it rings once for nothing and is armed for the
// deadline that is the earliest then. To set a deadline and take it back costs two list operations
// and no call of the loop, and nothing completes later.
#pragma once

#include <overlap/core/event_loop.hpp>
#include <overlap/core/operation_queue.hpp>
#include <overlap/core/timer_wheel.hpp>

#include <chrono>
#include <memory>
#include <new>
#include <utility>

namespace overlap {

template <event_loop Loop>
struct deadline_entry;

/// Entries belong to those who wait, and are called back when their deadline has come, unless they
/// were removed before. Belongs to the loop's thread, and is destroyed before the loop.
template <event_loop Loop>
class deadline_queue {
public:
    explicit deadline_queue(Loop& loop) noexcept : loop_(loop) {}
    deadline_queue(const deadline_queue&) = delete;
    deadline_queue& operator=(const deadline_queue&) = delete;
    ~deadline_queue() = default;

    /// Throws std::bad_alloc, with nothing added.
    void add(deadline_entry<Loop>* entry, time_point deadline) {
        if (wheel_ == nullptr) wheel_ = std::make_unique<timer_wheel>();
        if (!armed_) {
            arm(deadline);
        } else if (deadline < next_) {
            loop_.cancel(&alarm_);  // It completes soon, and is armed again.
            next_ = deadline;
        }
        wheel_->arm(entry, deadline);
    }

    /// Does nothing if the entry is not there any more, or never was.
    void remove(deadline_entry<Loop>* entry) noexcept {
        if (wheel_ != nullptr) wheel_->cancel(entry);
    }

    /// For a runtime whose tasks will not go on.
    void forget_all() noexcept {
        if (wheel_ != nullptr) *wheel_ = timer_wheel();
    }

    /// To be called when the runtime's tasks have ended and the loop does not run: when there are no
    /// entries, takes the timer back, which takes an iteration of the loop. Throws what run() throws.
    void take_alarm_back() {
        if (!armed_ || !wheel_->empty()) return;
        ending_ = true;
        loop_.cancel(&alarm_);
        do {  // Again if somebody else stopped the loop.
            loop_.run();
        } while (armed_);
        ending_ = false;
    }

private:
    friend deadline_entry<Loop>;

    template <class Operation>
    struct call_of : Operation {
        explicit call_of(deadline_queue& whose) noexcept : Operation(&ring), owner(whose) {}

        static void ring(operation* self) noexcept {
            static_cast<call_of*>(self)->owner.call_due();
        }

        deadline_queue& owner;
    };

    void arm(time_point deadline) {
        loop_.call_at(&alarm_, deadline);
        armed_ = true;
        next_ = deadline;
    }

    void call_due() noexcept {
        armed_ = false;
        if (ending_) return loop_.stop();
        operation_queue due;
        wheel_->expire(loop_.now(), due);
        while (operation* entry = due.pop()) entry->done(entry);
        if (armed_ || wheel_->empty()) return;
        try {
            arm(*wheel_->next());
        } catch (const std::bad_alloc&) {
            armed_ = true;
            loop_.post(&once_more_);
        }
    }

    Loop& loop_;
    std::unique_ptr<timer_wheel> wheel_;  // Made for the first deadline: it takes 28 KB.
    call_of<timer_operation> alarm_{*this};
    call_of<operation> once_more_{*this};  // When there was no memory for a timer.
    bool armed_ = false;
    bool ending_ = false;
    time_point next_{};  // For which the timer is, or will be, armed.
};

/// Who has a deadline. Calls end(self) from inside the loop's run() when it has come, once. That
/// asks for something to be cancelled, and may throw std::bad_alloc; then it is called again a
/// little later. It runs no tasks.
template <event_loop Loop>
struct deadline_entry : timer_operation {
    deadline_entry(deadline_queue<Loop>& its_queue, time_point when,
                   void (*what)(deadline_entry&)) noexcept
        : timer_operation(&come), queue(its_queue), end(what) {
        deadline = when;
    }
    deadline_entry(const deadline_entry&) = delete;
    deadline_entry& operator=(const deadline_entry&) = delete;
    ~deadline_entry() = default;

    deadline_queue<Loop>& queue;
    void (*end)(deadline_entry&);
    bool has_come = false;

private:
    static void come(operation* self) noexcept {
        auto& entry = static_cast<deadline_entry&>(*self);
        entry.has_come = true;
        try {
            entry.end(entry);
        } catch (const std::bad_alloc&) {
            constexpr std::chrono::milliseconds pause{1};
            entry.queue.wheel_->arm(&entry, entry.queue.loop_.now() + pause);
        }
    }
};

}  // namespace overlap
