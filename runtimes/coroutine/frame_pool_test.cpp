#include <overlap/coroutine/frame_pool.hpp>

#include <array>
#include <cstdint>
#include <cstring>
#include <gtest/gtest.h>
#include <set>
#include <thread>
#include <vector>

namespace {

using overlap::frame_pool;

class frame_pool_test : public testing::Test {
protected:
    /// Under AddressSanitizer there is nothing to see: frames come from operator new.
    void SetUp() override {
        if (!frame_pool::recycles) GTEST_SKIP() << "frames are not recycled in this build";
    }
};

void* make_and_free(std::size_t size) {
    void* const frame = frame_pool::allocate(size);
    frame_pool::release(frame, size);
    return frame;
}

TEST_F(frame_pool_test, gives_out_the_frame_freed_last_first) {
    void* const first = frame_pool::allocate(112);
    void* const second = frame_pool::allocate(112);
    frame_pool::release(first, 112);
    frame_pool::release(second, 112);
    EXPECT_EQ(frame_pool::allocate(112), second);
    EXPECT_EQ(frame_pool::allocate(112), first);
    frame_pool::release(first, 112);
    frame_pool::release(second, 112);
}

TEST_F(frame_pool_test, rounds_sizes_up_to_its_granule) {
    void* const frame = make_and_free(129);
    EXPECT_EQ(make_and_free(128 + frame_pool::granule), frame);
    EXPECT_NE(make_and_free(128), frame);
    EXPECT_NE(make_and_free(129 + frame_pool::granule), frame);
}

TEST_F(frame_pool_test, new_frames_lie_beside_each_other) {
    constexpr std::size_t size = 1136;  // A size that nobody else in this program uses.
    auto* const first = static_cast<std::byte*>(frame_pool::allocate(size));
    auto* const second = static_cast<std::byte*>(frame_pool::allocate(size));
    EXPECT_EQ(second - first, static_cast<std::ptrdiff_t>(size));
    frame_pool::release(first, size);
    frame_pool::release(second, size);
}

TEST_F(frame_pool_test, a_thread_may_free_what_another_made) {
    void* const made_here = frame_pool::allocate(208);
    void* reused = nullptr;
    std::thread([&] {
        frame_pool::release(made_here, 208);
        reused = make_and_free(208);
    }).join();
    EXPECT_EQ(reused, made_here);
}

TEST_F(frame_pool_test, a_thread_inherits_from_one_that_has_ended) {
    void* left_behind = nullptr;
    void* inherited = nullptr;
    std::thread([&] { left_behind = make_and_free(304); }).join();
    std::thread([&] { inherited = make_and_free(304); }).join();
    EXPECT_EQ(inherited, left_behind);
}

TEST(frame_pool_any_build_test, frames_are_aligned_and_apart) {
    std::set<std::uintptr_t> starts;
    std::vector<std::pair<void*, std::size_t>> frames;
    for (std::size_t size = 1; size <= 2 * frame_pool::largest; size += 13) {
        void* const frame = frame_pool::allocate(size);
        std::memset(frame, 0xA5, size);  // Sanitizers look whether all of it is there.
        const auto start = reinterpret_cast<std::uintptr_t>(frame);
        EXPECT_EQ(start % __STDCPP_DEFAULT_NEW_ALIGNMENT__, 0U) << "size " << size;
        const auto next = starts.lower_bound(start);
        EXPECT_TRUE(next == starts.end() || *next >= start + size) << "size " << size;
        starts.insert(start);
        frames.emplace_back(frame, size);
    }
    for (const auto& [frame, size] : frames) frame_pool::release(frame, size);
}

TEST(frame_pool_any_build_test, threads_make_and_free_at_once) {
    constexpr int rounds = 2'000;
    std::array<std::thread, 4> threads;
    std::array<int, 4> overwritten{};
    for (std::size_t number = 0; number < threads.size(); ++number) {
        threads[number] = std::thread([number, &overwritten] {
            for (int round = 0; round < rounds; ++round) {
                std::array<std::size_t*, 20> frames{};
                for (auto& frame : frames) {
                    frame = static_cast<std::size_t*>(frame_pool::allocate(96));
                    *frame = number;
                }
                for (auto* frame : frames) {
                    overwritten[number] += *frame != number;
                    frame_pool::release(frame, 96);
                }
            }
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(overwritten, (std::array<int, 4>{}));
}

}  // namespace
