// Replaces operator new by one that counts, for the rules that no memory is allocated. Link it into
// a program as a source file: a library's copy might not be the one that the linker takes.
#include <overlap/conformance/allocations.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

constinit std::atomic<std::uint64_t> count = 0;

[[maybe_unused]] const bool counting = [] {
    overlap::conformance::allocation_count = &count;
    return true;
}();

void* allocate(std::size_t size, std::size_t alignment) {
    count.fetch_add(1, std::memory_order_relaxed);
    // aligned_alloc(3): the size must be a multiple of the alignment.
    const std::size_t whole = (std::max(size, alignment) + alignment - 1) / alignment * alignment;
    void* memory = std::aligned_alloc(alignment, whole);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

}  // namespace

// The array and the non-throwing forms call these by default ([new.delete.array]).
void* operator new(std::size_t size) { return allocate(size, __STDCPP_DEFAULT_NEW_ALIGNMENT__); }
void* operator new(std::size_t size, std::align_val_t alignment) {
    return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
