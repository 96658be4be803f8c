// Replaces operator new by one that counts, for the rules that no memory is allocated. Link it into
// a program as a source file: a library's copy might not be the one that the linker takes.
#include <overlap/conformance/allocations.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

constinit std::atomic<std::uint64_t> count = 0;

void* allocate(std::size_t size, std::size_t alignment) {
    count.fetch_add(1, std::memory_order_relaxed);
    // aligned_alloc(3): the size must be a multiple of the alignment.
    const std::size_t whole = (std::max(size, alignment) + alignment - 1) / alignment * alignment;
    void* memory = std::aligned_alloc(alignment, whole);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

}  // namespace

// Weak, since clang's ThreadSanitizer brings an operator new of its own, which then stays in use.
// The array and the non-throwing forms call these by default ([new.delete.array]).
[[gnu::weak]] void* operator new(std::size_t size) {
    return allocate(size, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
[[gnu::weak]] void* operator new(std::size_t size, std::align_val_t alignment) {
    return allocate(size, static_cast<std::size_t>(alignment));
}
[[gnu::weak]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::weak]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::weak]] void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
[[gnu::weak]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}

namespace {

// A count that stands still would pass for no allocation, so it is published only if it moves.
[[maybe_unused]] const bool counting = [] {
    const auto before = count.load();
    ::operator delete(::operator new(1));
    if (count == before) return false;
    overlap::conformance::allocation_count = &count;
    return true;
}();

}  // namespace
