// A lock that costs its owner two plain stores and a plain load, and whoever else takes it a system call.
//
// Both sides say that they come in, and then look whether the other one is there (Dekker's algorithm).
// Between the two there has to be a fence, on both sides; membarrier(2), called by the other side, is a
// fence on all threads of the process at that moment. See Dice, Huang, Yang, "Asymmetric Dekker
// Synchronization", 2001. Where the kernel or a filter refuses membarrier, the owner pays for a fence.
#pragma once

#include <atomic>
#include <cstddef>
#include <linux/membarrier.h>
#include <mutex>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

namespace overlap::detail {

/// Two threads that write to it at once would pass one cache line back and forth.
inline constexpr std::size_t cache_line = 64;

/// A fence on all threads of this process, at once.
class process_fence {
public:
    /// Whether there is one. Asked for once in a process.
    [[nodiscard]] static bool available() noexcept {
        static const bool found =
            ::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
        return found;
    }
    static void run() noexcept {
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if (available()) ::syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
    }
};

/// The owner is one thread; all others are one at a time.
class alignas(cache_line) biased_lock {
public:
    void lock_as_owner() noexcept {
        owner_is_in_.store(true, std::memory_order_relaxed);
        meet_the_fence();
        if (other_is_in_.load(std::memory_order_acquire)) [[unlikely]]
            wait_as_owner();
    }
    void unlock_as_owner() noexcept { owner_is_in_.store(false, std::memory_order_release); }

    void lock_as_other() noexcept {
        others_.lock();
        other_is_in_.store(true, std::memory_order_relaxed);
        process_fence::run();
        while (owner_is_in_.load(std::memory_order_acquire)) std::this_thread::yield();
    }
    void unlock_as_other() noexcept {
        other_is_in_.store(false, std::memory_order_release);
        others_.unlock();
    }

private:
    void meet_the_fence() const noexcept {
        if (owner_pays_) {
            std::atomic_thread_fence(std::memory_order_seq_cst);
        } else {
            std::atomic_signal_fence(std::memory_order_seq_cst);
        }
    }

    [[gnu::cold]] void wait_as_owner() noexcept {
        owner_is_in_.store(false, std::memory_order_release);
        const std::lock_guard lock(others_);
        // Nobody else comes in before this is unlocked, and from then on they see the owner.
        owner_is_in_.store(true, std::memory_order_seq_cst);
    }

    std::atomic<bool> owner_is_in_ = false;
    std::atomic<bool> other_is_in_ = false;
    const bool owner_pays_ = !process_fence::available();
    std::mutex others_;
};

}  // namespace overlap::detail
