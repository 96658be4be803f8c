#include <overlap/cores/biased_lock.hpp>

#include <atomic>
#include <cstdint>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace {

using overlap::detail::biased_lock;

// A plain counter: a lost increment is seen here, and by ThreadSanitizer.
TEST(biased_lock, one_at_a_time_is_inside) {
    constexpr std::uint64_t of_owner = 2'000'000;
    constexpr std::uint64_t of_each_other = 2'000;
    biased_lock lock;
    std::uint64_t counter = 0;
    std::vector<std::thread> others;
    for (int i = 0; i < 2; ++i) {
        others.emplace_back([&] {
            for (std::uint64_t each = 0; each < of_each_other; ++each) {
                lock.lock_as_other();
                ++counter;
                lock.unlock_as_other();
            }
        });
    }
    for (std::uint64_t each = 0; each < of_owner; ++each) {
        lock.lock_as_owner();
        ++counter;
        lock.unlock_as_owner();
    }
    for (std::thread& other : others) other.join();
    EXPECT_EQ(counter, of_owner + 2 * of_each_other);
}

}  // namespace
