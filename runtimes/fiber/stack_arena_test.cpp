#include <overlap/core/runtime.hpp>
#include <overlap/fiber/stack_arena.hpp>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <gtest/gtest.h>
#include <set>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

namespace {

using namespace overlap;
using namespace overlap::fibers;

constexpr std::size_t size = std::size_t{64} << 10;
constexpr std::size_t spare = std::size_t{64} << 20;

std::uintptr_t address(const std::byte* of) { return reinterpret_cast<std::uintptr_t>(of); }

class stacks : public testing::TestWithParam<guard_kind> {
protected:
    stack_arena arena{size, spare, GetParam()};
};
INSTANTIATE_TEST_SUITE_P(guards, stacks, testing::Values(guard_kind::madvise, guard_kind::mprotect),
                         [](const auto& kind) {
                             return kind.param == guard_kind::madvise ? "madvise" : "mprotect";
                         });

TEST_P(stacks, are_apart_aligned_and_usable_to_their_limits) {
    std::vector<stack> all;
    all.reserve(200);
    for (int i = 0; i < 200; ++i) all.push_back(arena.carve());
    for (const stack& each : all) {
        EXPECT_EQ(address(each.top) % 64, 0U);
        EXPECT_GE(each.top - each.limit, static_cast<std::ptrdiff_t>(size - 2048));
        std::memset(each.limit, 0x5a, static_cast<std::size_t>(each.top - each.limit));
    }
    std::sort(all.begin(), all.end(),
              [](const stack& a, const stack& b) { return a.limit < b.limit; });
    for (std::size_t i = 1; i < all.size(); ++i) EXPECT_LT(all[i - 1].top, all[i].limit);
    EXPECT_EQ(arena.count(), 200U);
}

TEST_P(stacks, are_visited_once_each) {
    std::set<std::byte*> carved;
    for (int i = 0; i < 100; ++i) carved.insert(arena.carve().top);
    std::size_t visits = 0;
    arena.for_each([&](const stack& each) {
        ++visits;
        EXPECT_EQ(carved.count(each.top), 1U);
    });
    EXPECT_EQ(visits, carved.size());
}

TEST_P(stacks, begin_at_different_places_within_their_pages) {
    std::set<std::uintptr_t> places;
    for (int i = 0; i < 64; ++i) places.insert(address(arena.carve().top) % 4096);
    EXPECT_EQ(places.size(), 16U);
}

TEST_P(stacks, have_a_page_below_that_cannot_be_touched) {
    arena.carve();
    const stack second = arena.carve();
    second.limit[0] = std::byte{1};
    volatile std::byte* const below = second.limit - 1;
    if constexpr (address_sanitizer || thread_sanitizer) {
        EXPECT_DEATH(*below = std::byte{1}, "");
    } else {
        EXPECT_EXIT(*below = std::byte{1}, testing::KilledBySignal(SIGSEGV), "");
    }
}

TEST(stack_arena, rounds_the_size_up_to_pages) {
    EXPECT_EQ(stack_arena(size + 1, spare, guard_kind::madvise).stack_size(), size + 4096);
}

TEST(stack_arena, refuses_impossible_sizes) {
    for (const std::size_t impossible : {std::size_t{0}, std::size_t{4096}, ~std::size_t{0}}) {
        EXPECT_THROW(stack_arena(impossible, spare, guard_kind::madvise), std::invalid_argument);
    }
}

TEST(stack_arena, touches_no_more_memory_than_is_used) {
    if (address_sanitizer || thread_sanitizer) GTEST_SKIP() << "shadow memory is counted too";
    const auto resident = [] {
        return detail::number_after("/proc/self/status", "VmRSS:").value() << 10;
    };
    stack_arena arena(size, spare, guard_kind::madvise);
    const std::size_t before = resident();
    for (int i = 0; i < 4'000; ++i) arena.carve().top[-1] = std::byte{1};
    EXPECT_LT(resident() - before, 4'000U * (4096 + 256));
}

TEST(stack_arena, leaves_spare_memory_alone) {
    stack_arena arena(size, std::size_t{1} << 50, guard_kind::madvise);
    try {
        arena.carve();
        FAIL() << "a stack, although a pebibyte is to be spared";
    } catch (const limit_error& error) {
        EXPECT_NE(std::string(error.what()).find("1073741824 MiB are spared"), std::string::npos)
            << error.what();
    }
    EXPECT_EQ(arena.limit(), 0U);
}

/// Carves until there is no more; returns what that says.
std::string carve_all(stack_arena& arena) {
    try {
        for (;;) arena.carve();
    } catch (const limit_error& error) {
        return error.what();
    }
}

/// In a child process, since the limit is for good.
[[noreturn]] void carve_all_of_half_a_gigabyte() {
    const rlimit limit{.rlim_cur = std::size_t{512} << 20, .rlim_max = std::size_t{512} << 20};
    ::setrlimit(RLIMIT_AS, &limit);
    stack_arena arena(size, spare, guard_kind::madvise);
    const std::size_t expected = arena.limit();
    const std::string line = carve_all(arena);
    std::fprintf(stderr, "%s (limit was %zu)\n", line.c_str(), expected);
    // Memory comes in chunks, of which the last does not fit.
    const bool right = arena.count() > expected / 2 && arena.count() <= expected;
    ::_exit(right ? 0 : 1);
}

TEST(stack_arena, names_what_refuses_memory) {
    if (address_sanitizer || thread_sanitizer) GTEST_SKIP() << "needs terabytes of address space";
    EXPECT_EXIT(carve_all_of_half_a_gigabyte(), testing::ExitedWithCode(0),
                "no memory for more fiber stacks: mmap of .* refused.*RLIMIT_AS.*stacks of 64 KiB");
}

TEST(stack_arena, names_the_limit_of_mappings) {
    if (address_sanitizer || thread_sanitizer) GTEST_SKIP() << "which they need themselves";
    const auto allowed = detail::number_in("/proc/sys/vm/max_map_count").value();
    if (allowed > 200'000) GTEST_SKIP() << "vm.max_map_count is " << allowed;
    stack_arena arena(size, spare, guard_kind::mprotect);
    const auto expected = static_cast<double>(arena.limit());
    const std::string line = carve_all(arena);
    EXPECT_NE(line.find("vm.max_map_count is " + std::to_string(allowed)), std::string::npos)
        << line;
    EXPECT_NEAR(static_cast<double>(arena.count()), expected, 64);
}

}  // namespace
