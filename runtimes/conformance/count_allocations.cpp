// Replaces malloc, and what is like it, by functions that count, for the rules that no memory is allocated:
// operator new calls them as well, and so do libraries in any language. Link it into a program as a
// source file: a library's copy might not be the one that the linker takes.
//
// Sanitizers have a malloc of their own, and others than glibc no second name for theirs. Nothing is
// counted there, and nobody told of a count.
#include <overlap/conformance/allocations.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdlib>

// g++ defines macros, clang has features.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OVERLAP_OTHER_MALLOC
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OVERLAP_OTHER_MALLOC
#endif
#endif

#if defined(__GLIBC__) && !defined(OVERLAP_OTHER_MALLOC)

namespace {

constinit std::atomic<std::uint64_t> count = 0;

void* counted(void* memory) noexcept {
    count.fetch_add(1, std::memory_order_relaxed);
    return memory;
}

}  // namespace

// "Replacing malloc" in the manual of the GNU C Library: who forwards to it need not replace free().
extern "C" {

void* __libc_malloc(std::size_t) noexcept;
void* __libc_calloc(std::size_t, std::size_t) noexcept;
void* __libc_realloc(void*, std::size_t) noexcept;
void* __libc_memalign(std::size_t, std::size_t) noexcept;

void* malloc(std::size_t size) noexcept { return counted(__libc_malloc(size)); }
void* calloc(std::size_t n, std::size_t size) noexcept { return counted(__libc_calloc(n, size)); }
void* realloc(void* memory, std::size_t size) noexcept {
    return counted(__libc_realloc(memory, size));
}
void* memalign(std::size_t alignment, std::size_t size) noexcept {
    return counted(__libc_memalign(alignment, size));
}
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
    return counted(__libc_memalign(alignment, size));
}
int posix_memalign(void** into, std::size_t alignment, std::size_t size) noexcept {
    const bool is_power_of_two = alignment != 0 && (alignment & (alignment - 1)) == 0;
    if (!is_power_of_two || alignment % sizeof(void*) != 0) return EINVAL;
    void* const memory = counted(__libc_memalign(alignment, size));
    if (memory == nullptr) return ENOMEM;
    *into = memory;
    return 0;
}

}  // extern "C"

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

#endif
