// What waiting costs in memory. Frames of coroutines have no sizeof; but a freed frame is the next
// one that the pool gives out for its size, and for no other.
#include "testing/on_loop.hpp"

#include <overlap/core/forked_call.hpp>
#include <overlap/core/sanitizers.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <gtest/gtest.h>
#include <span>
#include <string>
#include <utility>

namespace {

using namespace overlap;
using namespace std::chrono_literals;

class frame_size_test : public on_virtual_time {
public:
    void SetUp() override {
        if (!frame_pool::recycles) GTEST_SKIP() << "frames are not recycled in this build";
        on_virtual_time::SetUp();
    }
};

/// The size of the frame of a task that has not been started, rounded up as the pool does; 0 for
/// one that is too large for the pool. Not inlined, or clang would keep the frame on the stack.
template <class T>
[[gnu::noinline]] std::size_t frame_size(task<T> measured) {
    const auto frame = measured.release();
    const auto address = reinterpret_cast<std::uintptr_t>(frame.address());
    frame.destroy();
    for (std::size_t size = frame_pool::granule; size <= frame_pool::largest;
         size += frame_pool::granule) {
        void* const given = frame_pool::allocate(size);
        const bool found = reinterpret_cast<std::uintptr_t>(given) == address;
        frame_pool::release(given, size);
        if (found) return size;
    }
    return 0;
}

task<> empty() { co_return; }

template <event_loop Loop>
task<> sleeping(coroutine<Loop>& runtime, const time_point& deadline) {
    co_await runtime.sleep_until(deadline);
}

template <event_loop Loop>
task<nanoseconds> measuring_lateness(coroutine<Loop>& runtime, time_point deadline) {
    co_await runtime.sleep_until(deadline);
    co_return runtime.now() - deadline;
}

template <event_loop Loop>
task<int> yielding(coroutine<Loop>& runtime, int value) {
    co_await runtime.yield();
    co_return value;
}

template <event_loop Loop>
task<std::size_t> reading(coroutine<Loop>& runtime, int connection, std::span<std::byte> buffer) {
    co_return co_await runtime.read(connection, buffer);
}

task<int> awaiting(task<int> other) { co_return co_await std::move(other); }

TEST_F(frame_size_test, of_what_waits) {
    static const time_point deadline{};
    std::array<std::byte, 1> buffer{};
    const std::size_t asleep = frame_size(sleeping(runtime(), deadline));
    RecordProperty("empty", static_cast<int>(frame_size(empty())));
    RecordProperty("sleeping", static_cast<int>(asleep));
    RecordProperty("measuring_lateness",
                   static_cast<int>(frame_size(measuring_lateness(runtime(), deadline))));
    RecordProperty("yielding", static_cast<int>(frame_size(yielding(runtime(), 1))));
    RecordProperty("reading", static_cast<int>(frame_size(reading(runtime(), 0, buffer))));
    RecordProperty("awaiting", static_cast<int>(frame_size(awaiting(yielding(runtime(), 1)))));
#if defined(__OPTIMIZE__) && !defined(__clang__)
    EXPECT_LE(asleep, 112U);
#else
    EXPECT_LE(asleep, 144U);
#endif
}

/// The most memory that `work` took, in bytes, in a process of its own.
template <class Work>
std::size_t peak_memory(Work work) {
    const forked_result said = forked_call(
        [&] {
            work();
            std::ifstream status("/proc/self/status");
            std::string word;
            while (status >> word && word != "VmHWM:") {}
            status >> word;
            return word;
        },
        std::chrono::seconds(60));
    EXPECT_EQ(describe_end(said.status), "");
    const std::size_t kibibytes = std::stoul(said.message);
    return kibibytes * 1024;
}

TEST_F(frame_size_test, a_sleeping_task_takes_at_most_144_bytes_as_a_slope) {
    if (thread_sanitizer) GTEST_SKIP() << "its shadow memory would be measured, too";
    const auto sleep_all = [](std::size_t tasks) {
        return [tasks] {
            virtual_time_loop loop;
            coroutine<virtual_time_loop> runtime(loop);
            runtime.run([](auto& time, std::size_t count) -> task<> {
                co_await time.gather(
                    count, [&time](std::size_t) { return sleeping(time, time_point(1s)); });
            }(runtime, tasks));
        };
    };
    constexpr std::size_t few = 200'000;
    constexpr std::size_t many = 800'000;
    const std::size_t slope =
        (peak_memory(sleep_all(many)) - peak_memory(sleep_all(few))) / (many - few);
    RecordProperty("bytes_per_task", static_cast<int>(slope));
    EXPECT_LE(slope, 144U);
}

}  // namespace
