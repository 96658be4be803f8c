// Operations posted from other threads, and the wake-up of a loop that sleeps.
#pragma once

#include <overlap/core/error.hpp>
#include <overlap/core/operation_queue.hpp>
#include <overlap/core/socket.hpp>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <poll.h>
#include <sys/eventfd.h>

namespace overlap {

/// Many threads push, the loop's thread takes. A push costs a system call only when the loop has
/// said that it is about to sleep. The stack of R. K. Treiber, "Systems programming: coping with
/// parallelism" (IBM RJ 5118, 1986), taken whole and reversed, so that there is no ABA problem.
class remote_queue {
public:
    /// Throws std::system_error when there is no descriptor left for the wake-up.
    remote_queue() : wake_(check_errno(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd")) {}
    remote_queue(const remote_queue&) = delete;
    remote_queue& operator=(const remote_queue&) = delete;

    /// What was pushed may have run before its push has written to the eventfd. Waits for that: the
    /// number of the descriptor may otherwise be somebody else's by then. A write that does not come
    /// within seconds went elsewhere, and to wait for ever would help nobody.
    ~remote_queue() {
        constexpr int longest_ms = 5'000;
        while (written_ < owed_) {
            pollfd wake{.fd = wake_.get(), .events = POLLIN, .revents = 0};
            const int ready = ::poll(&wake, 1, longest_ms);
            if (ready == 0 || (ready < 0 && errno != EINTR)) return;
            drain();
        }
    }

    /// Any thread. Wakes the loop if it sleeps.
    void push(operation* op) noexcept {
        operation* head = head_.load(std::memory_order_relaxed);
        do {
            op->next = head == &asleep_ ? nullptr : head;
        } while (!head_.compare_exchange_weak(head, op, std::memory_order_release,
                                              std::memory_order_relaxed));
        if (head == &asleep_) {
            // An eventfd write fails only when its counter is full, and then the loop wakes anyway.
            [[maybe_unused]] const int written = ::eventfd_write(wake_.get(), 1);
        }
    }

    /// Loop thread: moves all that was pushed to `ready`, each thread's in its order.
    void take(operation_queue& ready) noexcept {
        operation* head = head_.load(std::memory_order_relaxed);
        if (head == nullptr || head == &asleep_) return;
        head = head_.exchange(nullptr, std::memory_order_acquire);
        operation* reversed = nullptr;
        while (head != nullptr) {
            operation* next = head->next;
            head->next = reversed;
            reversed = head;
            head = next;
        }
        while (reversed != nullptr) {
            operation* next = reversed->next;
            ready.push(reversed);
            reversed = next;
        }
    }

    /// Loop thread: says that it is about to sleep. Returns false when something was pushed
    /// meanwhile, and then it must not.
    bool fall_asleep() noexcept {
        operation* nothing = nullptr;
        return head_.compare_exchange_strong(nothing, &asleep_, std::memory_order_relaxed);
    }

    /// Loop thread, after every sleep.
    void wake_up() noexcept {
        operation* asleep = &asleep_;
        const bool undisturbed =
            head_.compare_exchange_strong(asleep, nullptr, std::memory_order_relaxed);
        if (!undisturbed) ++owed_;
    }

    /// Becomes readable when a push wakes the loop. Only drain() may read it: writes are counted.
    [[nodiscard]] int wake_descriptor() const noexcept { return wake_.get(); }
    void drain() noexcept {
        eventfd_t count = 0;
        if (::eventfd_read(wake_.get(), &count) == 0) written_ += count;
    }

private:
    std::atomic<operation*> head_ = nullptr;
    operation asleep_;  // Its address in head_ says that the loop sleeps and nothing is queued.
    unique_descriptor wake_;
    eventfd_t owed_ = 0;     // Pushes that woke the loop: each writes once.
    eventfd_t written_ = 0;  // Of these writes, how many have been read.
};

}  // namespace overlap
