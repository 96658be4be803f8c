// What loops do when the kernel refuses to let them wait.
#include <overlap/core/forked_call.hpp>
#include <overlap/loops/epoll.hpp>
#include <overlap/loops/poll.hpp>
#include <overlap/loops/uring.hpp>

#include <array>
#include <chrono>
#include <future>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string>
#include <sys/prctl.h>
#include <sys/syscall.h>

namespace {

using namespace overlap;
using namespace std::chrono_literals;

/// From now on this process gets `error` for system call `number`.
void refuse(long number, int error) {
    const auto call = static_cast<unsigned>(number);
    const auto answer = SECCOMP_RET_ERRNO | static_cast<unsigned>(error);
    std::array<sock_filter, 4> filter = {
        {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
         BPF_STMT(BPF_RET | BPF_K, answer), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)}};
    const sock_fprog program{.len = filter.size(), .filter = filter.data()};
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) throw_errno(errno, "seccomp");
}

template <event_loop Loop>
struct stop_timer : timer_operation {
    explicit stop_timer(Loop& target)
        : timer_operation(
              [](operation* op) noexcept { static_cast<stop_timer*>(op)->loop.stop(); }),
          loop(target) {}
    Loop& loop;
};

/// What becomes of a sleep on a loop where the kernel refuses a call.
template <event_loop Loop>
std::string sleep_without(long number, int error) {
    const auto body = [&]() -> std::string {
        try {
            Loop loop;
            stop_timer<Loop> wake(loop);
            loop.call_at(&wake, loop.now() + 10ms);
            refuse(number, error);
            loop.run();
            return "slept";
        } catch (const std::exception& thrown) {
            return thrown.what();
        }
    };
    const auto result = forked_call(body, 10s);
    return result.status == 0 ? result.message : describe_end(result.status);
}

TEST(waiting, epoll_has_another_call_where_a_filter_does_not_know_the_newer_one) {
    EXPECT_EQ(sleep_without<epoll_loop>(SYS_epoll_pwait2, ENOSYS), "slept");
    EXPECT_EQ(sleep_without<epoll_loop>(SYS_epoll_pwait2, EPERM), "slept");
}

TEST(waiting, an_error_that_nobody_expects_leaves_run) {
    EXPECT_THAT(sleep_without<epoll_loop>(SYS_epoll_pwait2, EINVAL),
                testing::StartsWith("epoll_pwait2: "));
    EXPECT_THAT(sleep_without<poll_loop>(SYS_ppoll, ENOMEM), testing::StartsWith("ppoll: "));
    if (uring_loop::available()) {
        EXPECT_THAT(sleep_without<uring_loop>(SYS_io_uring_enter, EPERM),
                    testing::StartsWith("io_uring_enter: "));
    }
}

TEST(waiting, a_ring_that_was_made_on_another_thread_says_so) {
    if (const availability can = uring_loop::available(); !can) GTEST_SKIP() << can.reason;
    uring_loop loop;
    stop_timer<uring_loop> wake(loop);
    const auto run_elsewhere = [&] {
        loop.call_at(&wake, loop.now() + 10ms);
        loop.run();
    };
    try {
        std::async(std::launch::async, run_elsewhere).get();
        GTEST_SKIP() << "this kernel's rings may be used by any thread";
    } catch (const std::system_error& error) {
        EXPECT_THAT(error.what(), testing::HasSubstr("made on another thread"));
    }
}

}  // namespace
