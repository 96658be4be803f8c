// Deadlines on fibers, and tasks ended from outside.
#include <overlap/fiber/fiber.hpp>
#include <overlap/loops/epoll.hpp>
#include <overlap/loops/poll.hpp>
#include <overlap/loops/uring.hpp>
#include <overlap/loops/virtual_time.hpp>

#include <array>
#include <chrono>
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using namespace overlap;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

/// The error with which `work` ends; none, when it returns.
template <class Work>
std::error_code error_of(Work work) {
    try {
        work();
    } catch (const std::system_error& error) {
        return error.code();
    }
    return {};
}

class fiber_cancel : public testing::Test {
protected:
    fiber_cancel() {
        runtime.on_report([this](const std::string& line) { notes.push_back(line); });
    }

    struct noting {
        fiber_cancel& test;
        std::string what;
        ~noting() { test.notes.push_back(what); }
    };

    void sleep_long(const std::string& name) {
        const noting clean_up{*this, name};
        runtime.sleep_for(1h);
        notes.push_back(name + " woke");
    }

    /// Lets `work` come to where it waits, cancels it, and returns whether that was seen at the same
    /// moment by who joins it.
    bool cancels(const std::function<void()>& work) {
        return runtime.run([&] {
            const time_point begin = runtime.now();
            auto background = runtime.spawn(work);
            for (int i = 0; i < 3; ++i) runtime.yield();
            background.cancel();
            EXPECT_FALSE(background.is_done()) << "it ends from inside run()";
            const auto error = error_of([&] { background.join(); });
            return error == std::errc::operation_canceled && runtime.now() == begin;
        });
    }

    std::vector<std::string> notes;  // The runtime may report as it goes.
    virtual_time_loop loop;
    fiber<virtual_time_loop> runtime{loop};
};

TEST_F(fiber_cancel, a_sleeping_task_ends_with_its_clean_up) {
    EXPECT_TRUE(cancels([&] {
        const noting clean_up{*this, "outer"};
        sleep_long("inner");
    }));
    EXPECT_THAT(notes, ElementsAre("inner", "outer"));
}

TEST_F(fiber_cancel, a_gather_ends_after_all_its_tasks) {
    EXPECT_TRUE(cancels([&] {
        const noting clean_up{*this, "gatherer"};
        runtime.gather(2, [&](std::size_t i) {
            if (i == 1)
                runtime.gather(2, [&](std::size_t k) { sleep_long(std::to_string(k)); });
            else
                sleep_long("left");
        });
    }));
    EXPECT_THAT(notes, ElementsAre("left", "0", "1", "gatherer"));
}

TEST_F(fiber_cancel, of_who_joins_leaves_the_joined_task_alone) {
    runtime.run([&] {
        auto joined = runtime.spawn([&] {
            runtime.sleep_for(10s);
            return 5;
        });
        auto joiner = runtime.spawn([&] {
            const noting clean_up{*this, "joiner"};
            joined.join();
        });
        runtime.yield();
        joiner.cancel();
        joiner.cancel();
        EXPECT_EQ(error_of([&] { joiner.join(); }), std::errc::operation_canceled);
        EXPECT_EQ(runtime.now(), time_point());
        EXPECT_EQ(joined.join(), 5);
    });
    EXPECT_THAT(notes, ElementsAre("joiner"));
}

TEST_F(fiber_cancel, before_its_start_nothing_of_the_task_runs) {
    runtime.run([&] {
        auto background = runtime.spawn([&] { sleep_long("never begun"); });
        background.cancel();
        EXPECT_EQ(error_of([&] { background.join(); }), std::errc::operation_canceled);
        runtime.spawn([&] { sleep_long("never begun"); }).cancel();
    });
    EXPECT_THAT(notes, IsEmpty());
}

TEST_F(fiber_cancel, twice_is_once_and_after_the_end_the_result_is_there) {
    runtime.run([&] {
        auto background = runtime.spawn([&] { sleep_long("sleeper"); });
        auto ended = runtime.spawn([] { return 7; });
        runtime.yield();
        background.cancel();
        background.cancel();
        ended.cancel();
        EXPECT_EQ(error_of([&] { background.join(); }), std::errc::operation_canceled);
        EXPECT_EQ(ended.join(), 7);
    });
    EXPECT_THAT(notes, ElementsAre("sleeper"));
}

TEST_F(fiber_cancel, clean_up_may_wait) {
    EXPECT_EQ(runtime.run([&] {
        auto background = runtime.spawn([&] {
            struct waiting {
                fiber<virtual_time_loop>& on;
                ~waiting() {
                    on.sleep_for(1s);
                    on.gather(3, [this](std::size_t) { on.sleep_for(1s); });
                }
            } const clean_up{runtime};
            sleep_long("sleeper");
        });
        runtime.yield();
        background.cancel();
        return error_of([&] { background.join(); });
    }),
              std::errc::operation_canceled);
    EXPECT_EQ(loop.now(), time_point(2s));
}

TEST_F(fiber_cancel, a_task_may_refuse) {
    EXPECT_EQ(runtime.run([&] {
        auto background = runtime.spawn([&] {
            try {
                runtime.sleep_for(1h);
            } catch (...) {}  // Which handlers of errors would not be.
            runtime.sleep_for(1s);
            return 1;
        });
        runtime.yield();
        background.cancel();
        return background.join();
    }),
              1);
    EXPECT_EQ(loop.now(), time_point(1s));
}

TEST_F(fiber_cancel, the_inner_or_the_outer_of_two_deadlines_whichever_comes_first) {
    runtime.run([&] {
        std::vector<std::string> caught;
        const auto limited = [&](time_point outer, time_point inner) {
            runtime.with_deadline(outer, [&] {
                const auto error = error_of([&] {
                    runtime.with_deadline(inner, [&] {
                        runtime.gather(2, [&](std::size_t) { runtime.sleep_for(1h); });
                    });
                });
                caught.push_back(error.message());
            });
        };
        EXPECT_EQ(error_of([&] { limited(time_point(2s), time_point(1s)); }), std::error_code());
        EXPECT_EQ(error_of([&] { limited(time_point(3s), time_point(4s)); }), std::errc::timed_out);
        EXPECT_EQ(caught.size(), 1U);
        EXPECT_EQ(runtime.now(), time_point(3s));
        EXPECT_EQ(runtime.with_deadline(time_point(9s), [] { return 4; }), 4);
        runtime.sleep_for(1s);
    });
    EXPECT_EQ(loop.now(), time_point(4s));
}

TEST_F(fiber_cancel, with_a_deadline_inside) {
    EXPECT_TRUE(cancels([&] { runtime.with_deadline(time_point(1s), [&] { sleep_long("x"); }); }));
    EXPECT_THAT(notes, ElementsAre("x"));
}

TEST_F(fiber_cancel, a_deadline_that_has_passed_allows_what_need_not_wait) {
    runtime.run([&] {
        const time_point past = runtime.now() - 1s;
        EXPECT_EQ(runtime.with_deadline(past, [] { return 1; }), 1);
        const auto waits = [&] { runtime.with_deadline(past, [&] { runtime.sleep_for(1ns); }); };
        EXPECT_EQ(error_of(waits), std::errc::timed_out);
    });
}

TEST_F(fiber_cancel, thousands_of_sleepers) {
    EXPECT_TRUE(
        cancels([&] { runtime.gather(2'000, [&](std::size_t) { runtime.sleep_for(1h); }); }));
}

TEST_F(fiber_cancel, a_runtime_may_go_with_tasks_that_were_cancelled) {
    // Handles must not outlive the runtime, so nobody may drop those of tasks that it leaves behind.
    static auto& kept = *new std::vector<const void*>;
    {
        fiber<virtual_time_loop> other(loop);
        other.on_report([](const std::string&) {});
        other.run([&] {
            auto* slow = new auto(other.spawn([&] { other.sleep_for(1h); }));
            auto joiner = other.spawn([&] { slow->join(); });
            auto limited = other.spawn(
                [&] { other.with_deadline(time_point(1h), [&] { other.sleep_for(2h); }); });
            other.yield();
            joiner.cancel();
            kept = {slow, new auto(std::move(joiner)), new auto(std::move(limited))};
        });
    }
    runtime.run([&] { runtime.sleep_for(3h); });
    EXPECT_EQ(loop.now(), time_point(3h));
}

template <class Loop>
class fiber_deadline : public testing::Test {};
struct loop_names {
    template <event_loop Loop>
    static std::string GetName(int) {
        return std::string(Loop::name());
    }
};
using real_loops = testing::Types<poll_loop, epoll_loop, uring_loop>;
TYPED_TEST_SUITE(fiber_deadline, real_loops, loop_names);

TYPED_TEST(fiber_deadline, of_reads_accepts_and_connects) {
    if (!TypeParam::available()) GTEST_SKIP();
    TypeParam loop;
    fiber<TypeParam> runtime(loop);
    runtime.run([&] {
        const auto in = [&](nanoseconds duration) { return runtime.now() + duration; };
        const unique_descriptor listener = open_listener(endpoint{});
        EXPECT_EQ(error_of([&] { runtime.accept(listener.get(), in(1ms)); }), std::errc::timed_out);
        const int near = runtime.connect(endpoint(port_of(listener)), in(1h));
        const int far = runtime.accept(listener.get(), in(1h));
        std::array<std::byte, 8> buffer{};
        const time_point deadline = in(2ms);
        EXPECT_EQ(error_of([&] { runtime.read(far, buffer, deadline); }), std::errc::timed_out);
        EXPECT_GE(runtime.now(), deadline);
        EXPECT_EQ(error_of([&] { runtime.read(far, buffer, in(-1s)); }), std::errc::timed_out);
        runtime.write(near, buffer);
        EXPECT_EQ(runtime.read(far, buffer, in(1h)), 8U);
        std::size_t bytes = 0;
        auto reader = runtime.spawn([&] {
            for (;;) bytes += runtime.read(far, buffer);
        });
        runtime.yield();
        reader.cancel();
        runtime.write(near, buffer);
        EXPECT_EQ(error_of([&] { reader.join(); }), std::errc::operation_canceled);
        if (bytes == 0) bytes = runtime.read(far, buffer, in(1h));
        EXPECT_EQ(bytes, 8U) << "a cancelled read loses no byte";
        runtime.close(near);
        runtime.close(far);
    });
}

}  // namespace
