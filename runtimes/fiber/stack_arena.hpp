// Memory for many stacks, each with a guard below it, that costs no more than the pages touched.
//
// Stacks lie side by side in chunks of reserved address space. Each is a guard page and then
// `stack_size` bytes; memory comes page by page as a stack is used, and stays until the arena is
// destroyed, ready for the next task.
//
// The guard is made by madvise(MADV_GUARD_INSTALL), Linux 6.13: a mark in the page table, so a
// million of them are still one mapping. Where that is refused it is mprotect, which costs two
// mappings a stack, and vm.max_map_count (65,530 by default) becomes the limit.
//
// Where a stack begins within its top page is coloured. If every stack began at the end of a page,
// the lines that each task touches would compete for the same few sets of the caches, which are
// chosen by the low bits of the address; a thousand empty tasks took a fifth longer that way. For
// the same reason stacks are not a power of two apart.
#pragma once

#include <overlap/core/machine_limits.hpp>
#include <overlap/core/runtime.hpp>
#include <overlap/fiber/sanitizer_marks.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <limits>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace overlap::fibers {

/// How a stack's guard page is made.
enum class guard_kind {
    madvise,  ///< MADV_GUARD_INSTALL, or mprotect where the kernel refuses that.
    mprotect  ///< On any kernel, as if it were older than Linux 6.13.
};

/// Memory that one flow of control may use: from `limit` up to `top`, a multiple of 64.
struct stack {
    std::byte* limit;
    std::byte* top;
};

/// Not thread-safe; arenas know nothing of each other. Gives all memory back when destroyed.
class stack_arena {
public:
    static constexpr std::size_t smallest_stack = std::size_t{16} << 10;
    static constexpr std::size_t largest_stack = std::size_t{1} << 30;

    /// Sizes are in bytes. `stack_size` is rounded up to pages, and colouring takes up to 2 KiB of
    /// it. When the arena grows, it leaves `spare_memory` of the machine's available memory to
    /// others. Throws std::invalid_argument for a stack size outside [smallest_stack,
    /// largest_stack].
    stack_arena(std::size_t stack_size, std::size_t spare_memory, guard_kind guards)
        : spare_memory_(spare_memory), guards_(guards) {
        if (stack_size < smallest_stack || stack_size > largest_stack) {
            throw std::invalid_argument("a fiber's stack has from 16 KiB to 1 GiB, not " +
                                        std::to_string(stack_size) + " bytes");
        }
        stack_size_ = (stack_size + page_size_ - 1) / page_size_ * page_size_;
        if (guards_ == guard_kind::madvise && !can_install_guards()) {
            guards_ = guard_kind::mprotect;
        }
    }
    stack_arena(const stack_arena&) = delete;
    stack_arena& operator=(const stack_arena&) = delete;

    ~stack_arena() {
        for (const chunk& each : chunks_) {
            forget_shadow(each.memory, each.size);
            ::munmap(each.memory, each.size);
        }
    }

    /// A stack that nobody has used. Throws limit_error when the machine gives no more memory or
    /// mappings; the stacks there are stay good.
    stack carve() {
        if (chunks_.empty() || chunks_.back().carved == chunks_.back().count) grow();
        chunk& from = chunks_.back();
        std::byte* const base = from.memory + from.carved * stride();
        guard(base);
        ++from.carved;
        ++count_;
        return stack_at(from, from.carved - 1);
    }

    /// Calls visit(stack) for every stack ever carved.
    template <class Visit>
    void for_each(Visit visit) const {
        for (const chunk& each : chunks_) {
            for (std::size_t i = 0; i < each.carved; ++i) visit(stack_at(each, i));
        }
    }

    /// Stacks carved so far.
    [[nodiscard]] std::size_t count() const noexcept { return count_; }

    /// Bytes that a stack can hold.
    [[nodiscard]] std::size_t stack_size() const noexcept { return stack_size_; }

    /// How guards are made, which the kernel has a say in.
    [[nodiscard]] guard_kind guards() const noexcept { return guards_; }

    /// How many stacks there can be in all, those carved included, if each uses one page.
    [[nodiscard]] std::size_t limit() const {
        detail::tightest limits;
        // A page of stack, and the stack's share of a page table (8 bytes a page).
        limits.consider("free memory in bytes", available_memory(), spare_memory_,
                        page_size_ + stride() / page_size_ * sizeof(void*));
        const std::size_t pages = detail::number_in("/proc/self/statm").value_or(0);
        detail::consider_resource(limits, RLIMIT_AS, "RLIMIT_AS (ulimit -v, in bytes)",
                                  pages * page_size_, stride());
        if (guards_ == guard_kind::mprotect) {
            limits.consider("vm.max_map_count", mapping_limit(), detail::mappings_of_this_process(),
                            mappings_each);
        }
        return count_ + limits.take().room;
    }

private:
    static constexpr int guard_advice = 102;  // MADV_GUARD_INSTALL, too new for libc's headers.
    static constexpr std::size_t colour_count = 16;
    static constexpr std::size_t colour_step = 128;  // Two lines: neighbours are fetched in pairs.
    static constexpr std::size_t first_chunk = 16;   // Stacks.
    static constexpr std::size_t largest_chunk = 1024;
    static constexpr std::size_t mappings_each = 2;  // With mprotect: a guard and a stack.

    struct chunk {
        std::byte* memory;
        std::size_t size;
        std::size_t count;
        std::size_t carved;
    };

    [[nodiscard]] std::size_t stride() const noexcept { return page_size_ + stack_size_; }

    [[nodiscard]] stack stack_at(const chunk& in, std::size_t index) const noexcept {
        std::byte* const base = in.memory + index * stride();
        return {base + page_size_, base + stride() - index % colour_count * colour_step};
    }

    /// Of the machine; a cgroup's own limit is not looked at.
    static std::size_t available_memory() {
        return detail::number_after("/proc/meminfo", "MemAvailable:").value_or(unlimited >> 10)
               << 10;
    }

    static std::size_t mapping_limit() {
        constexpr std::size_t default_limit = 65530;  // DEFAULT_MAX_MAP_COUNT in the kernel's mm.h.
        return detail::number_in("/proc/sys/vm/max_map_count").value_or(default_limit);
    }

    static std::byte* map(std::size_t size) noexcept {
        void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
        return memory == MAP_FAILED ? nullptr : static_cast<std::byte*>(memory);
    }

    [[nodiscard]] bool can_install_guards() const noexcept {
        std::byte* const probe = map(page_size_);
        if (probe == nullptr) return false;
        const bool can = ::madvise(probe, page_size_, guard_advice) == 0;
        ::munmap(probe, page_size_);
        return can;
    }

    void grow() {
        const std::size_t count = std::clamp(count_, first_chunk, largest_chunk);
        const std::size_t size = count * stride();
        // A refusal now can be handled; the pages themselves are only asked for when they are
        // touched, and then all that the kernel can do without memory is to kill a process.
        const std::size_t available = available_memory();
        if (available < spare_memory_ || available - spare_memory_ < count * page_size_) {
            throw limit_error("no memory for more fiber stacks: " + megabytes(available) +
                              " available, of which " + megabytes(spare_memory_) + " are spared" +
                              so_far());
        }
        chunks_.reserve(chunks_.size() + 1);
        std::byte* const memory = map(size);
        if (memory == nullptr) {
            throw limit_error("no memory for more fiber stacks: mmap of " + megabytes(size) +
                              " refused, " + std::generic_category().message(errno) +
                              " (see RLIMIT_AS, vm.overcommit_memory)" + so_far());
        }
        // With huge pages every stack would cost as much as all that share its 2 MiB.
        (void)::madvise(memory, size, MADV_NOHUGEPAGE);
        chunks_.push_back({.memory = memory, .size = size, .count = count, .carved = 0});
    }

    void guard(std::byte* page) {
        if (guards_ == guard_kind::madvise) {
            if (::madvise(page, page_size_, guard_advice) == 0) return;
            guards_ = guard_kind::mprotect;  // Since the probe, memory was locked: see mlockall.
        }
        if (::mprotect(page, page_size_, PROT_NONE) == 0) return;
        throw limit_error("no mapping for the guard of another fiber stack: each takes two, and "
                          "vm.max_map_count is " +
                          std::to_string(mapping_limit()) + so_far());
    }

    [[nodiscard]] std::string so_far() const {
        return "; there are " + std::to_string(count_) + " stacks of " +
               std::to_string(stack_size_ >> 10) + " KiB";
    }

    static std::string megabytes(std::size_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

    std::size_t page_size_ = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    std::size_t stack_size_ = 0;
    std::size_t spare_memory_;
    guard_kind guards_;
    std::size_t count_ = 0;
    std::vector<chunk> chunks_;
};

}  // namespace overlap::fibers
