// A bounded channel between processes: a ring in memory that they share.
#pragma once

#include <overlap/core/error.hpp>
#include <overlap/process/shared_memory.hpp>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <new>
#include <optional>
#include <sched.h>
#include <semaphore.h>
#include <stdexcept>
#include <type_traits>

namespace overlap {

/// What overlap::channel is to coroutines, for a process and those that are forked from it after this was
/// made; push and pop hold the process. Two semaphores count what is in and what is free (E. W. Dijkstra,
/// "Cooperating sequential processes", 1965), so that a system call is made only by who waits and for who
/// waits. Nobody may push after close(), nor still be pushing when it is called: whoever pushes last
/// closes, once. A process that dies inside a call may leave the others waiting for ever.
template <class T>
class process_channel {
    static_assert(std::is_trivially_copyable_v<T>, "elements cross from one process to another");

public:
    /// Throws std::invalid_argument for a capacity of 0 and limit_error when there is no memory.
    explicit process_channel(std::size_t capacity)
        : capacity_(capacity), memory_(bytes_for(capacity)) {
        ::new (memory_.data()) head();
        open();
    }
    process_channel(const process_channel&) = delete;  // Other processes know it by its address.
    process_channel& operator=(const process_channel&) = delete;

    /// Waits for room.
    void push(const T& element) {
        wait(state().room);
        put(element);
    }
    /// Returns true if there is room now.
    bool try_push(const T& element) {
        if (::sem_trywait(&state().room) != 0) return false;
        put(element);
        return true;
    }

    /// Waits for an element; returns std::nullopt when the channel is closed and empty.
    std::optional<T> pop() {
        head& all = state();
        wait(all.filled);
        const locked inside(all.popping);
        if (all.is_closed.load() && all.taken == all.given.load()) {
            ::sem_post(&all.filled);  // For the next one who comes.
            return std::nullopt;
        }
        const T element = slots()[all.taken++ % capacity_];
        ::sem_post(&all.room);
        return element;
    }

    void close() {
        state().is_closed = true;
        ::sem_post(&state().filled);
    }

    /// Empties it and opens it again, while nobody else uses it.
    void open() {
        head& all = state();
        ::sem_init(&all.room, 1, static_cast<unsigned>(capacity_));
        ::sem_init(&all.filled, 1, 0);
        all.given = all.taken = 0;
        all.is_closed = false;
    }

private:
    static constexpr std::size_t line = 64;

    struct head {
        alignas(line) sem_t room;
        std::atomic_flag pushing;
        std::atomic<std::size_t> given;  ///< Elements put in so far.
        alignas(line) sem_t filled;
        std::atomic_flag popping;
        std::size_t taken;  ///< Elements taken out so far.
        std::atomic<bool> is_closed;
    };

    class locked {
    public:
        explicit locked(std::atomic_flag& by) noexcept : by_(by) {
            while (by_.test_and_set(std::memory_order_acquire)) ::sched_yield();
        }
        locked(const locked&) = delete;
        locked& operator=(const locked&) = delete;
        ~locked() { by_.clear(std::memory_order_release); }

    private:
        std::atomic_flag& by_;
    };

    static std::size_t bytes_for(std::size_t capacity) {
        if (capacity == 0 || capacity > SEM_VALUE_MAX) {
            throw std::invalid_argument(
                "a channel between processes holds 1 to 2147483647 elements");
        }
        memory_layout layout;
        layout.add(1, sizeof(head), alignof(head));
        layout.add(capacity, sizeof(T), line);
        return layout.size();
    }

    [[nodiscard]] head& state() noexcept { return *reinterpret_cast<head*>(memory_.data()); }
    [[nodiscard]] T* slots() noexcept {
        return reinterpret_cast<T*>(memory_.data() + sizeof(head));
    }

    static void wait(sem_t& until) {
        while (::sem_wait(&until) != 0) {
            if (errno != EINTR) throw_errno(errno, "sem_wait");
        }
    }

    void put(const T& element) {
        head& all = state();
        {
            const locked inside(all.pushing);
            slots()[all.given.load(std::memory_order_relaxed) % capacity_] = element;
            all.given.fetch_add(1, std::memory_order_release);
        }
        ::sem_post(&all.filled);
    }

    std::size_t capacity_;
    shared_memory memory_;
};

}  // namespace overlap
