// The rule about allocation, once more, on libuv itself: the kit counts calls of operator new, and
// here libuv's memory comes from it.
#include <overlap/conformance/allocations.hpp>
#include <overlap/conformance/loop_rules_lifetime.hpp>
#include <overlap/conformance/run_rule.hpp>
#include <overlap/foreign_loops/libuv/libuv_loop.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <gtest/gtest.h>
#include <new>
#include <uv.h>

namespace overlap::conformance {
namespace {

/// A block's size, in front of it.
struct alignas(std::max_align_t) block_head {
    std::size_t size;
};

void* allocate(std::size_t size) noexcept try {
    return new (::operator new(sizeof(block_head) + size)) block_head{size} + 1;
} catch (const std::bad_alloc&) {
    return nullptr;
}

block_head* head_of(void* memory) noexcept { return static_cast<block_head*>(memory) - 1; }

void deallocate(void* memory) noexcept {
    if (memory != nullptr) ::operator delete(head_of(memory));
}

void* allocate_zeroed(std::size_t count, std::size_t size) noexcept {
    void* memory = allocate(count * size);
    return memory == nullptr ? nullptr : std::memset(memory, 0, count * size);
}

void* reallocate(void* memory, std::size_t size) noexcept {
    void* moved = allocate(size);
    if (memory != nullptr && moved != nullptr) {
        std::memcpy(moved, memory, std::min(size, head_of(memory)->size));
        deallocate(memory);
    }
    return moved;
}

TEST(libuv_allocation, none_once_warm_neither_here_nor_in_libuv) {
    if (allocation_count == nullptr) GTEST_SKIP() << "a sanitizer's operator new is not counted";
    ASSERT_EQ(uv_replace_allocator(&allocate, &reallocate, &allocate_zeroed, &deallocate), 0);
    const auto before = allocation_count->load();
    uv_loop_t proof{};
    ASSERT_EQ(uv_loop_init(&proof), 0);
    ASSERT_EQ(uv_loop_close(&proof), 0);
    ASSERT_GT(allocation_count->load(), before) << "what libuv allocates is counted";

    const auto rules = lifetime_rules<libuv_loop>();
    const auto one = std::ranges::find(rules, "optional_no_allocation_once_warm", &rule::name);
    ASSERT_NE(one, rules.end());
    const verdict result = run_rule(*one, {.counted_allocation = true});
    EXPECT_EQ(result.what, outcome::kept) << describe(*one, result);
}

}  // namespace
}  // namespace overlap::conformance
