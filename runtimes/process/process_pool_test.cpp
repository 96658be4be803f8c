#include <overlap/conformance/runtime_tasks.hpp>
#include <overlap/process/process_pool.hpp>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <set>
#include <string>
#include <thread>
#include <unistd.h>

namespace {

using namespace overlap;
using namespace std::chrono_literals;
using conformance::shared_counts;
using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;

/// The text of the `Error` that `call` throws.
template <class Error, class Call>
std::string text_of(Call call) {
    try {
        call();
    } catch (const Error& error) {
        return error.what();
    }
    ADD_FAILURE() << "nothing was thrown";
    return {};
}

TEST(process_pool, has_as_many_workers_as_cores_unless_told) {
    EXPECT_EQ(process_pool().task_limit(), available_cores());
    EXPECT_EQ(process_pool(5).task_limit(), 5U);
}

TEST(process_pool, refuses_to_have_no_worker) {
    EXPECT_THROW(process_pool(0), std::invalid_argument);
}

TEST(process_pool, refuses_a_process_that_has_threads) {
    const std::jthread other([](const std::stop_token& stop) {
        while (!stop.stop_requested()) std::this_thread::sleep_for(1ms);
    });
    EXPECT_THAT(text_of<std::logic_error>([] { process_pool pool(1); }),
                HasSubstr("process_pool forks, which is safe only while a process has one thread"));
}

TEST(process_pool, runs_tasks_in_its_workers_only) {
    process_pool pool(3);
    const auto workers = pool.worker_ids();
    const auto ran_in = pool.gather(1'000, [](std::size_t) { return ::getpid(); });
    for (const pid_t id : ran_in) EXPECT_THAT(workers, testing::Contains(id));
}

TEST(process_pool, a_gather_inside_a_task_runs_in_its_worker) {
    process_pool pool(2);
    const auto same = pool.gather(10, [&pool](std::size_t) {
        const auto inner = pool.gather(10, [](std::size_t) { return ::getpid(); });
        return std::ranges::all_of(inner, [](pid_t id) { return id == ::getpid(); });
    });
    EXPECT_TRUE(std::ranges::all_of(same, [](bool all) { return all; }));
}

TEST(process_pool, memory_grows_and_serves_smaller_gathers_again) {
    process_pool pool(2);
    for (const std::size_t n : {10U, 100'000U, 10U, 1'000'000U, 1U}) {
        const auto results = pool.gather(n, [](std::size_t index) { return 3 * index; });
        ASSERT_EQ(results.size(), n);
        EXPECT_EQ(results.back(), 3 * (n - 1));
    }
}

TEST(process_pool, a_long_task_holds_up_no_other) {
    const shared_counts ended(1);
    process_pool pool(2);
    auto* const count = ended.data();
    for (const std::size_t long_task : {0U, 31U, 63U}) {
        *count = 0;
        const auto fine = pool.gather(64, [count, long_task](std::size_t index) {
            std::this_thread::sleep_for(100us);
            const auto patience = std::chrono::steady_clock::now() + 30s;
            while (index == long_task && *count < 63) {
                if (std::chrono::steady_clock::now() > patience) return false;
                std::this_thread::yield();
            }
            ++*count;
            return true;
        });
        EXPECT_TRUE(fine[long_task]);
    }
}

TEST(process_pool, names_the_worker_that_was_killed_and_goes_on) {
    const shared_counts counts(1'000);
    process_pool pool(2);
    const auto before = pool.worker_ids();
    auto* const count = counts.data();
    const auto kill_in_task_17 = [&] {
        pool.gather(1'000, [count](std::size_t index) {
            ++count[index];
            if (index == 17) std::raise(SIGKILL);
        });
    };
    EXPECT_THAT(text_of<worker_died>(kill_in_task_17),
                MatchesRegex("process [0-9]+ was killed by signal 9 \\(Killed\\) "
                             "\\(worker [12] of 2\\) while it ran task 17"));
    counts.expect_all(1);
    const auto after = pool.worker_ids();
    ASSERT_EQ(after.size(), 2U);
    EXPECT_EQ((before[0] == after[0]) + (before[1] == after[1]), 1);
    EXPECT_EQ(pool.gather(100, [](std::size_t index) { return index; }).back(), 99U);
}

TEST(process_pool, survives_that_every_task_kills_its_worker) {
    process_pool pool(2);
    const auto die = [&] { pool.gather(50, [](std::size_t) { ::_exit(3); }); };
    EXPECT_THAT(text_of<worker_died>(die),
                AllOf(HasSubstr("exited with 3"), HasSubstr("while it ran task 0")));
    EXPECT_EQ(pool.gather(100, [](std::size_t index) { return index; }).back(), 99U);
}

TEST(process_pool, an_idle_worker_that_was_killed_is_replaced_without_loss) {
    process_pool pool(2);
    const auto before = pool.worker_ids();
    ::kill(before[0], SIGKILL);
    ::kill(before[1], SIGKILL);
    EXPECT_EQ(pool.gather(1'000, [](std::size_t index) { return index; }).back(), 999U);
    for (const pid_t id : pool.worker_ids())
        EXPECT_THAT(before, testing::Not(testing::Contains(id)));
}

TEST(process_pool, throws_for_the_lowest_index_be_it_a_death_or_an_exception) {
    process_pool pool(2);
    const auto gather = [&](std::size_t dies, std::size_t throws) {
        pool.gather(100, [=](std::size_t index) {
            if (index == dies) std::abort();
            if (index == throws) throw std::runtime_error("thrown");
        });
    };
    EXPECT_THAT(text_of<worker_died>([&] { gather(30, 60); }),
                AllOf(HasSubstr("signal 6"), HasSubstr("task 30")));
    EXPECT_EQ(text_of<std::runtime_error>([&] { gather(60, 30); }), "thrown");
}

TEST(process_pool, keeps_some_types_of_exceptions_and_the_text_of_all) {
    process_pool pool(1);
    EXPECT_EQ(text_of<limit_error>(
                  [&] { pool.gather(1, [](std::size_t) { throw limit_error("too many"); }); }),
              "too many");
    EXPECT_THROW(pool.gather(1, [](std::size_t) { throw std::bad_alloc(); }), std::bad_alloc);
    EXPECT_EQ(text_of<std::runtime_error>(
                  [&] { pool.gather(1, [](std::size_t) { throw std::out_of_range("far"); }); }),
              "far");
    EXPECT_THAT(text_of<std::runtime_error>([&] { pool.gather(1, [](std::size_t) { throw 5; }); }),
                HasSubstr("not a std::exception"));
    const auto long_text = [&] {
        pool.gather(1, [](std::size_t) { throw std::runtime_error(std::string(10'000, 'x')); });
    };
    EXPECT_EQ(text_of<std::runtime_error>(long_text), std::string(471, 'x'));
}

TEST(process_pool, says_how_much_memory_was_refused) {
    struct page {
        char bytes[4'096];
    };
    process_pool pool(1);
    EXPECT_THAT(text_of<limit_error>([&] {
                    pool.gather(std::size_t{1} << 32U, [](std::size_t) { return page{}; });
                }),
                HasSubstr("no shared memory for the results of tasks: "));
    EXPECT_THAT(text_of<limit_error>([&] {
                    pool.gather(std::size_t{1} << 60U, [](std::size_t) { return page{}; });
                }),
                HasSubstr("no memory holds the results of 1152921504606846976 tasks"));
    EXPECT_EQ(pool.gather(10, [](std::size_t index) { return index; }).back(), 9U);
}

TEST(process_pool, publishes_what_its_workers_use_before_gather_returns) {
    process_pool pool(2);
    const auto seconds = [&] {
        const process_usage usage = pool.children_usage();
        return usage.user_s + usage.system_s;
    };
    const double before = seconds();
    pool.gather(4, [](std::size_t) {
        const std::clock_t until = std::clock() + CLOCKS_PER_SEC / 50;
        while (std::clock() < until) {}
    });
    EXPECT_GE(seconds() - before, 0.079);  // Four times 20 ms, less what rounding takes.
}

TEST(process_pool, prints_once_what_was_buffered_and_what_tasks_print) {
    testing::internal::CaptureStdout();
    std::printf("before ");
    process_pool pool(2);
    pool.gather(2, [](std::size_t) { std::printf("task "); });
    std::fflush(nullptr);
    EXPECT_EQ(testing::internal::GetCapturedStdout(), "before task task ");
}

/// For a forked process: makes a pool, tells its workers' ids, and waits to be killed.
[[noreturn]] void have_workers(std::atomic<std::uint32_t>* ids) {
    try {
        process_pool pool(2);
        for (const pid_t id : pool.worker_ids()) *ids++ = static_cast<std::uint32_t>(id);
        for (;;) ::pause();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        ::_exit(1);
    }
}

TEST(process_pool, workers_end_when_their_parent_is_killed) {
    const shared_counts ids(2);
    const pid_t parent = ::fork();
    if (parent == 0) have_workers(ids.data());
    const auto patience = std::chrono::steady_clock::now() + 30s;
    while (ids.data()[1] == 0 && std::chrono::steady_clock::now() < patience) {
        std::this_thread::yield();
    }
    std::vector<pollfd> workers;
    for (int i = 0; i < 2; ++i) {
        const auto fd = static_cast<int>(::syscall(SYS_pidfd_open, ids.data()[i].load(), 0));
        EXPECT_GE(fd, 0) << "no worker was made";
        workers.push_back({.fd = fd, .events = POLLIN, .revents = 0});
    }
    ::kill(parent, SIGKILL);
    wait_for(parent);
    for (pollfd& worker : workers) {
        EXPECT_EQ(::poll(&worker, 1, 30'000), 1) << "a worker outlives its parent";
        ::close(worker.fd);
    }
}

}  // namespace
