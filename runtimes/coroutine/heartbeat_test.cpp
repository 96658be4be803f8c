// T13 of the tour, the other half: threads and processes keep a heart beating while another task
// computes. (That a loop does not is in testing/tour.hpp.)
#include <overlap/process/process_per_task.hpp>
#include <overlap/thread_pool/thread_per_task.hpp>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <gtest/gtest.h>
#include <sys/mman.h>

namespace {

using namespace overlap;
using namespace std::chrono_literals;

/// What the two tasks share, also when they are processes.
class shared_heart {
public:
    shared_heart() {
        void* const memory = ::mmap(nullptr, sizeof(state), PROT_READ | PROT_WRITE,
                                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) throw_errno(errno, "mmap");
        state_ = ::new (memory) state;
    }
    ~shared_heart() { ::munmap(state_, sizeof(state)); }
    shared_heart(const shared_heart&) = delete;
    shared_heart& operator=(const shared_heart&) = delete;

    struct state {
        std::atomic<int> beats{0};
        std::atomic<bool> computed{false};
    };
    [[nodiscard]] state* get() const noexcept { return state_; }

private:
    state* state_;
};

template <class Runtime>
int beat_until_computed(Runtime& runtime, shared_heart::state* heart) {
    while (!heart->computed) {
        ++heart->beats;
        runtime.sleep_until(runtime.now() + 1ms);
    }
    return heart->beats;
}

/// Computes, without ever waiting, until the heart has beaten so often meanwhile. If this task held
/// up the other it would never end.
int compute_through_beats(shared_heart::state* heart, int wanted) {
    const int before = heart->beats;
    while (heart->beats - before < wanted) {}
    heart->computed = true;
    return heart->beats - before;
}

template <class Runtime>
class heartbeat_test : public testing::Test {};
using preemptive = testing::Types<thread_per_task, process_per_task>;
struct runtime_names {
    template <class Runtime>
    static std::string GetName(int) {
        return Runtime::name();
    }
};
TYPED_TEST_SUITE(heartbeat_test, preemptive, runtime_names);

TYPED_TEST(heartbeat_test, goes_on_while_another_task_computes) {
    constexpr int wanted = 5;
    const shared_heart heart;
    TypeParam runtime;
    const auto beats = runtime.gather(2, [&runtime, state = heart.get()](std::size_t index) {
        return index == 0 ? beat_until_computed(runtime, state)
                          : compute_through_beats(state, wanted);
    });
    EXPECT_GE(beats[1], wanted) << "during the computation";
    EXPECT_GE(beats[0], beats[1]);
}

}  // namespace
