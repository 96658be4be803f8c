// Memory for coroutine frames, recycled: a frame costs a list pop instead of a trip to malloc, and
// frames made one after another lie beside each other.
#pragma once

#include <overlap/core/sanitizers.hpp>

#include <array>
#include <cstddef>
#include <mutex>
#include <new>
#include <sys/mman.h>
#include <utility>

namespace overlap {

/// Each thread has its own lists of free frames, by size, so nothing is locked. A frame may be
/// freed on another thread than it was made on. Memory is never given back to the system: what a
/// thread leaves behind serves the next thread.
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
        if (head == nullptr) return local_->carve(size_of(index));
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

    /// Lists whose thread has ended.
    struct orphanage {
        std::mutex mutex;
        lists* first = nullptr;
    };

    static orphanage& orphans() {
        static auto* const shared = new orphanage;  // Outlives every thread.
        return *shared;
    }

    /// Its destructor runs when the thread ends.
    struct thread_end {
        ~thread_end() {
            const std::lock_guard lock(orphans().mutex);
            local_->next = std::exchange(orphans().first, local_);
            local_ = nullptr;
        }
    };

    static void adopt_lists() {
        orphanage& shared = orphans();
        {
            const std::lock_guard lock(shared.mutex);
            if (shared.first != nullptr) local_ = std::exchange(shared.first, shared.first->next);
        }
        if (local_ == nullptr) local_ = new lists;
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
};

}  // namespace overlap
