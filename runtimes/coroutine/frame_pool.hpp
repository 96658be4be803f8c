// Memory for coroutine frames, recycled: a frame costs a list pop instead of a trip to malloc, and
// frames made one after another lie beside each other.
#pragma once

#include <overlap/core/sanitizers.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <new>
#include <sys/mman.h>
#include <utility>

namespace overlap {

/// Each thread has its own lists of free frames, by size, so nothing is locked. A frame may be freed on
/// another thread than it was made on. A thread that has no frame left says so; whichever other frees one
/// next gives away all that it has of that size, under a lock. So what one thread makes and another
/// frees comes back. Memory is never given back to the system: what a thread leaves behind serves the next
/// thread.
///
/// Under AddressSanitizer every frame is a plain allocation, so that a frame used after its end is
/// found.
class frame_pool {
public:
    static constexpr bool recycles = !address_sanitizer;
    static constexpr std::size_t granule = 16;    ///< Sizes are rounded up to it.
    static constexpr std::size_t largest = 2048;  ///< Larger frames are left to operator new.

    /// Throws std::bad_alloc.
    static void* allocate(std::size_t size) {
        const std::size_t index = class_of(size);
        if (!recycles || index >= class_count) return ::operator new(size);
        if (local_ == nullptr) adopt_lists();
        free_frame*& head = local_->free[index];
        if (head == nullptr && !refill(index)) return local_->carve(size_of(index));
        return std::exchange(head, head->next);
    }

    /// `size` is what was asked for.
    static void release(void* frame, std::size_t size) noexcept {
        const std::size_t index = class_of(size);
        if (!recycles || index >= class_count) {
            ::operator delete(frame, size);
            return;
        }
        // A thread that has only ever freed frames has lists to put them in, too; failing that
        // (no memory for the lists), the frame is lost rather than the program.
        if (local_ == nullptr && !try_adopt_lists()) return;
        local_->free[index] = ::new (frame) free_frame{local_->free[index]};
        const lists* const who = wanted_[index].load(std::memory_order_relaxed);
        if (who != nullptr && who != local_) give_away(index);
    }

private:
    static_assert(granule >= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
    static constexpr std::size_t class_count = largest / granule + 1;
    static constexpr std::size_t first_chunk = std::size_t{64} << 10;
    static constexpr std::size_t huge_page = std::size_t{2} << 20;
    static constexpr std::size_t largest_chunk = 2 * huge_page;

    struct free_frame {
        free_frame* next;
    };

    /// The first frame of a list that nobody has.
    struct spare_list {
        free_frame* next;
        spare_list* next_list;
    };
    static_assert(sizeof(spare_list) <= granule);

    static constexpr std::size_t class_of(std::size_t size) noexcept {
        return (size + granule - 1) / granule;
    }
    static constexpr std::size_t size_of(std::size_t index) noexcept { return index * granule; }

    struct lists {
        std::array<free_frame*, class_count> free{};
        std::byte* unused = nullptr;  // The rest of the newest chunk.
        std::size_t unused_size = 0;
        std::size_t next_chunk = first_chunk;
        lists* next = nullptr;

        void* carve(std::size_t size) {
            if (unused_size < size) grow();
            unused_size -= size;
            return std::exchange(unused, unused + size);
        }

        void grow() {
            void* chunk = ::mmap(nullptr, next_chunk, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (chunk == MAP_FAILED) throw std::bad_alloc();
            // A page fault for 2 MiB instead of 512 of them; if refused, nothing but time is lost.
            if (next_chunk >= huge_page) (void)::madvise(chunk, next_chunk, MADV_HUGEPAGE);
            unused = static_cast<std::byte*>(chunk);
            unused_size = next_chunk;
            if (next_chunk < largest_chunk) next_chunk *= 2;
        }
    };

    /// What no thread has: frames that were given away, and all lists of threads that have ended.
    struct common_stock {
        std::mutex mutex;
        std::array<std::atomic<spare_list*>, class_count> spare{};
        lists* orphans = nullptr;
    };

    static common_stock& stock() {
        static auto* const shared = new common_stock;  // Outlives every thread.
        return *shared;
    }

    /// Takes a list from the stock, if there is one, and asks for another before that is used up: who
    /// waited until then would have to make new frames each time.
    [[gnu::cold, gnu::noinline]] static bool refill(std::size_t index) noexcept {
        // Alone, it would only ask itself, each time that it frees a frame.
        if (threads_.load(std::memory_order_relaxed) > 1) {
            wanted_[index].store(local_, std::memory_order_relaxed);
        }
        common_stock& shared = stock();
        std::atomic<spare_list*>& first = shared.spare[index];
        if (first.load(std::memory_order_relaxed) == nullptr) return false;
        const std::lock_guard lock(shared.mutex);
        spare_list* const list = first.load(std::memory_order_relaxed);
        if (list == nullptr) return false;
        first.store(list->next_list, std::memory_order_relaxed);
        local_->free[index] = ::new (list) free_frame{list->next};
        return true;
    }

    [[gnu::cold, gnu::noinline]] static void give_away(std::size_t index) noexcept {
        wanted_[index].store(nullptr, std::memory_order_relaxed);
        free_frame* const list = std::exchange(local_->free[index], nullptr);
        common_stock& shared = stock();
        const std::lock_guard lock(shared.mutex);
        std::atomic<spare_list*>& first = shared.spare[index];
        first.store(::new (list) spare_list{list->next, first.load(std::memory_order_relaxed)},
                    std::memory_order_relaxed);
    }

    /// Its destructor runs when the thread ends.
    struct thread_end {
        ~thread_end() {
            const std::lock_guard lock(stock().mutex);
            local_->next = std::exchange(stock().orphans, local_);
            local_ = nullptr;
            threads_.fetch_sub(1, std::memory_order_relaxed);
        }
    };

    static void adopt_lists() {
        {
            common_stock& shared = stock();
            const std::lock_guard lock(shared.mutex);
            if (shared.orphans != nullptr) {
                local_ = std::exchange(shared.orphans, shared.orphans->next);
            }
        }
        if (local_ == nullptr) local_ = new lists;
        threads_.fetch_add(1, std::memory_order_relaxed);
        static thread_local thread_end give_back;
        (void)give_back;
    }

    static bool try_adopt_lists() noexcept {
        try {
            adopt_lists();
            return true;
        } catch (const std::bad_alloc&) {
            return false;
        }
    }

    static inline constinit thread_local lists* local_ = nullptr;
    static inline constinit std::atomic<int> threads_ = 0;  // That have lists.
    /// By size, whose thread has run out of frames; compared, and never followed.
    static inline constinit std::array<std::atomic<const lists*>, class_count> wanted_{};
};

}  // namespace overlap
