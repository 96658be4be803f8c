// Every rule on libuv, as a class and through the C table: conformance_libuv.required_posts_run_in_order.
#include "../testing/every_rule.hpp"

#include <overlap/foreign_loops/libuv/libuv_loop.hpp>
#include <overlap/plugin/dynamic_loop.hpp>

#include <cstddef>
#include <cstring>
#include <gtest/gtest.h>
#include <new>
#include <uv.h>

namespace {

using namespace overlap;
using namespace overlap::conformance;

// Not a constant, so that the compiler cannot see through the calls.
overlap_loop_table table = table_of<libuv_loop>;

// libuv's memory comes from operator new here, whose calls are counted, so that the rule about
// allocation judges libuv, too. A block's size is kept in front of it.
struct alignas(std::max_align_t) block_head {
    std::size_t size;
};

void* allocate(std::size_t size) {
    void* block = ::operator new(sizeof(block_head) + size, std::nothrow);
    return block == nullptr ? nullptr : new (block) block_head{size} + 1;
}

void deallocate(void* memory) {
    if (memory != nullptr) ::operator delete(static_cast<block_head*>(memory) - 1);
}

void* allocate_zeroed(std::size_t count, std::size_t size) {
    void* memory = allocate(count * size);
    return memory == nullptr ? nullptr : std::memset(memory, 0, count * size);
}

void* reallocate(void* memory, std::size_t size) {
    void* moved = allocate(size);
    if (memory != nullptr && moved != nullptr) {
        std::memcpy(moved, memory, std::min(size, (static_cast<block_head*>(memory) - 1)->size));
        deallocate(memory);
    }
    return moved;
}

}  // namespace

int main(int count, char** arguments) {
    testing::InitGoogleTest(&count, arguments);
    uv_replace_allocator(&allocate, &reallocate, &allocate_zeroed, &deallocate);
    const abilities all{.counted_allocation = allocation_count != nullptr};
    register_every_rule<libuv_loop>(all);
    register_every_rule<dynamic_loop<table>>(all, "_through_table");
    return RUN_ALL_TESTS();
}
