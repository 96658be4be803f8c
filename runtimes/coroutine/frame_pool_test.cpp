#include <overlap/coroutine/frame_pool.hpp>

#include <array>
#include <cstdint>
#include <cstring>
#include <gtest/gtest.h>
#include <semaphore>
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

/// Addresses as numbers, since a pointer to what was freed is no longer a value.
std::uintptr_t number(const void* frame) { return reinterpret_cast<std::uintptr_t>(frame); }

std::uintptr_t make_and_free(std::size_t size) {
    void* const frame = frame_pool::allocate(size);
    const std::uintptr_t address = number(frame);
    frame_pool::release(frame, size);
    return address;
}

TEST_F(frame_pool_test, gives_out_the_frame_freed_last_first) {
    void* const first = frame_pool::allocate(112);
    void* const second = frame_pool::allocate(112);
    const std::array<std::uintptr_t, 2> freed{number(first), number(second)};
    frame_pool::release(first, 112);
    frame_pool::release(second, 112);
    void* const third = frame_pool::allocate(112);
    void* const fourth = frame_pool::allocate(112);
    EXPECT_EQ(number(third), freed[1]);
    EXPECT_EQ(number(fourth), freed[0]);
    frame_pool::release(third, 112);
    frame_pool::release(fourth, 112);
}

TEST_F(frame_pool_test, rounds_sizes_up_to_its_granule) {
    const std::uintptr_t frame = make_and_free(129);
    EXPECT_EQ(make_and_free(128 + frame_pool::granule), frame);
    EXPECT_NE(make_and_free(128), frame);
    EXPECT_NE(make_and_free(129 + frame_pool::granule), frame);
}

TEST_F(frame_pool_test, new_frames_lie_beside_each_other) {
    constexpr std::size_t size = 1136;  // A size that nobody else in this program uses.
    void* const first = frame_pool::allocate(size);
    void* const second = frame_pool::allocate(size);
    EXPECT_EQ(number(second) - number(first), size);
    frame_pool::release(first, size);
    frame_pool::release(second, size);
}

TEST_F(frame_pool_test, a_thread_may_free_what_another_made) {
    void* const made_here = frame_pool::allocate(208);
    const std::uintptr_t address = number(made_here);
    std::uintptr_t reused = 0;
    std::thread([&] {
        frame_pool::release(made_here, 208);
        reused = make_and_free(208);
    }).join();
    EXPECT_EQ(reused, address);
}

TEST_F(frame_pool_test, a_thread_inherits_from_one_that_has_ended) {
    std::uintptr_t left_behind = 0;
    std::uintptr_t inherited = 0;
    std::thread([&] { left_behind = make_and_free(304); }).join();
    std::thread([&] { inherited = make_and_free(304); }).join();
    EXPECT_EQ(inherited, left_behind);
}

/// Makes frames here and frees them on another thread, round by round; returns how many different ones
/// there ever were. `here_too` of each round are freed here, so that both threads free some.
std::size_t frames_made(std::size_t size, int rounds, std::size_t frames_a_round,
                        std::size_t here_too) {
    std::vector<void*> frames(frames_a_round);
    std::binary_semaphore made(0);
    std::binary_semaphore freed(0);
    std::jthread frees([&] {
        for (int round = 0; round < rounds; ++round) {
            made.acquire();
            for (std::size_t i = here_too; i < frames.size(); ++i) {
                frame_pool::release(frames[i], size);
            }
            freed.release();
        }
    });
    std::set<std::uintptr_t> ever;
    for (int round = 0; round < rounds; ++round) {
        for (void*& frame : frames) {
            frame = frame_pool::allocate(size);
            ever.insert(number(frame));
        }
        for (std::size_t i = 0; i < here_too; ++i) frame_pool::release(frames[i], size);
        made.release();
        freed.acquire();
    }
    return ever.size();
}

TEST_F(frame_pool_test, frames_freed_on_another_thread_come_back) {
    // Sizes that nobody else in this program uses.
    EXPECT_LE(frames_made(1552, 30, 200, 0), 3U * 200) << "of 6,000";
    EXPECT_LE(frames_made(1568, 30, 200, 1), 3U * 200) << "of 6,000";
    EXPECT_LE(frames_made(1584, 30, 200, 100), 3U * 200) << "of 6,000";
    EXPECT_LE(frames_made(1600, 30, 1, 0), 3U) << "of 30";
}

TEST(frame_pool_any_build_test, frames_are_aligned_and_apart) {
    std::set<std::uintptr_t> starts;
    std::vector<std::pair<void*, std::size_t>> frames;
    for (std::size_t size = 1; size <= 2 * frame_pool::largest; size += 13) {
        void* const frame = frame_pool::allocate(size);
        std::memset(frame, 0xA5, size);  // Sanitizers look whether all of it is there.
        const std::uintptr_t start = number(frame);
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
    for (std::size_t mine = 0; mine < threads.size(); ++mine) {
        threads[mine] = std::thread([mine, &overwritten] {
            for (int round = 0; round < rounds; ++round) {
                std::array<std::size_t*, 20> frames{};
                for (auto& frame : frames) {
                    frame = static_cast<std::size_t*>(frame_pool::allocate(96));
                    *frame = mine;
                }
                for (auto* frame : frames) {
                    overwritten[mine] += *frame != mine;
                    frame_pool::release(frame, 96);
                }
            }
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(overwritten, (std::array<int, 4>{}));
}

}  // namespace
