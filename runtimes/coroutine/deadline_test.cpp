// Deadlines: of reads, accepts, connects, and of whole tasks.
#include "testing/on_loop.hpp"

#include <overlap/core/socket.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <gmock/gmock.h>
#include <optional>
#include <span>
#include <stdexcept>
#include <string_view>
#include <sys/socket.h>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using namespace overlap;
using namespace std::chrono_literals;
using testing::IsEmpty;

/// The error with which `work` ends; none, when it returns.
template <class T>
task<std::error_code> error_of(task<T> work) {
    try {
        co_await std::move(work);
    } catch (const std::system_error& error) {
        co_return error.code();
    }
    co_return std::error_code();
}

template <event_loop Loop>
class io_deadline_test : public on_loop<Loop> {
public:
    void SetUp() override {
        on_loop<Loop>::SetUp();
        std::array<int, 2> ends{};
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
        here_ = ends[0];
        there_ = unique_descriptor(ends[1]);
    }
    void say(std::string_view words) const {
        ASSERT_EQ(::send(there_.get(), words.data(), words.size(), 0), std::ssize(words));
    }
    task<std::size_t> read(time_point deadline) {
        co_return co_await this->runtime().read(here_, buffer_, deadline);
    }
    task<int> accept(int listener, time_point deadline) {
        co_return co_await this->runtime().accept(listener, deadline);
    }
    [[nodiscard]] time_point in(nanoseconds duration) { return this->runtime().now() + duration; }
    /// Through the loop, which knows the descriptor.
    task<> close() { co_await this->runtime().close(here_); }

    int here_ = -1;
    unique_descriptor there_;
    std::array<std::byte, 16> buffer_{};
};
TYPED_TEST_SUITE(io_deadline_test, real_loops, loop_names);

TYPED_TEST(io_deadline_test, read_ends_when_its_deadline_comes_and_not_before) {
    this->run([&]() -> task<> {
        const time_point deadline = this->in(5ms);
        EXPECT_EQ(co_await error_of(this->read(deadline)), std::errc::timed_out);
        EXPECT_GE(this->runtime().now(), deadline);
        this->say("late");
        EXPECT_EQ(co_await this->read(this->in(1h)), 4U) << "the connection stays usable";
        co_await this->close();
    });
}

TYPED_TEST(io_deadline_test, what_is_there_is_read_although_the_deadline_has_passed) {
    this->run([&]() -> task<> {
        this->say("early");
        EXPECT_EQ(co_await this->read(this->in(-1h)), 5U);
        EXPECT_EQ(co_await error_of(this->read(this->in(-1h))), std::errc::timed_out);
        EXPECT_EQ(co_await error_of(this->read(time_point::min())), std::errc::timed_out);
        EXPECT_EQ(co_await error_of(this->read(this->in(1ns))), std::errc::timed_out);
        co_await this->close();
    });
}

TYPED_TEST(io_deadline_test, no_byte_is_lost_in_the_race) {
    this->run([&]() -> task<> {
        constexpr std::size_t messages = 300;
        auto sender = this->runtime().spawn([](auto& test) -> task<> {
            for (std::size_t i = 0; i < messages; ++i) {
                test.say("x");
                co_await test.runtime().sleep_for(20us);
            }
        }(*this));
        std::size_t bytes = 0;
        while (bytes < messages) {
            try {
                bytes += co_await this->read(this->in(20us));
            } catch (const std::system_error& error) {
                EXPECT_EQ(error.code(), std::errc::timed_out);
            }
        }
        EXPECT_EQ(bytes, messages);
        co_await sender;
        co_await this->close();
    });
}

TYPED_TEST(io_deadline_test, deadlines_come_in_their_order_whatever_that_of_the_calls) {
    this->run([&]() -> task<> {
        const unique_descriptor listener = open_listener(endpoint{});
        const time_point begin = this->runtime().now();
        std::vector<std::size_t> ended;
        co_await this->runtime().gather(3, [&](std::size_t i) -> task<> {
            const auto error =
                co_await error_of(this->accept(listener.get(), begin + (3 - i) * 5ms));
            EXPECT_EQ(error, std::errc::timed_out);
            ended.push_back(i);
        });
        EXPECT_THAT(ended, testing::ElementsAre(2, 1, 0));
        co_await this->close();
    });
}

TYPED_TEST(io_deadline_test, accept_and_connect) {
    this->run([&]() -> task<> {
        const unique_descriptor listener = open_listener(endpoint{});
        EXPECT_EQ(co_await error_of(this->accept(listener.get(), this->in(1ms))),
                  std::errc::timed_out);
        const endpoint where(port_of(listener));
        const int near = co_await this->runtime().connect(where, this->in(1h));
        const int far = co_await this->accept(listener.get(), this->in(1h));
        co_await this->runtime().close(near);
        co_await this->runtime().close(far);
        co_await this->close();
    });
    EXPECT_THAT(this->reports(), IsEmpty());
}

/// A listener whose queue is full answers no more.
TYPED_TEST(io_deadline_test, connect_ends_when_nobody_answers) {
    const unique_descriptor listener = open_listener(endpoint{}, 0);
    const endpoint where(port_of(listener));
    this->run([&]() -> task<> {
        std::vector<int> connected;
        std::error_code error;
        while (!error) {
            error = co_await error_of([](auto& runtime, endpoint to, auto& all) -> task<> {
                all.push_back(co_await runtime.connect(to, runtime.now() + 20ms));
            }(this->runtime(), where, connected));
        }
        EXPECT_EQ(error, std::errc::timed_out);
        for (const int each : connected) co_await this->runtime().close(each);
        co_await this->close();
    });
}

TYPED_TEST(io_deadline_test, a_cancelled_read_loses_no_byte) {
    this->run([&]() -> task<> {
        std::size_t bytes = 0;
        for (int round = 0; round < 50; ++round) {
            auto reader = this->runtime().spawn([](auto& test, std::size_t& sum) -> task<> {
                for (;;) sum += co_await test.runtime().read(test.here_, test.buffer_);
            }(*this, bytes));
            co_await this->runtime().yield();
            if (round % 2 == 0) this->say("abc");
            if (round % 3 == 0) co_await this->runtime().sleep_for(10us);
            reader.cancel();
            if (round % 2 == 1) this->say("abc");
            EXPECT_EQ(co_await error_of([](auto& joined) -> task<> { co_await joined; }(reader)),
                      std::errc::operation_canceled);
        }
        while (bytes < 150) bytes += co_await this->read(this->in(1s));
        EXPECT_EQ(bytes, 150U);
        co_await this->close();
    });
}

class with_deadline_test : public on_virtual_time {
public:
    task<int> sleep(nanoseconds duration) {
        co_await runtime().sleep_for(duration);
        co_return 3;
    }
};

TEST_F(with_deadline_test, returns_the_result_of_what_ends_in_time) {
    run([&]() -> task<> {
        EXPECT_EQ(co_await runtime().with_deadline(runtime().now() + 2s, sleep(1s)), 3);
    });
    EXPECT_EQ(runtime().now(), time_point(1s)) << "a deadline that has not come is waited for";
}

TEST_F(with_deadline_test, throws_what_the_task_throws) {
    run([&]() -> task<> {
        bool caught = false;
        try {
            co_await runtime().with_deadline(
                runtime().now() + 1s, []() -> task<> { throw std::out_of_range("by itself"); }());
        } catch (const std::out_of_range&) {
            caught = true;
        }
        EXPECT_TRUE(caught);
    });
}

TEST_F(with_deadline_test, ends_the_task_with_its_clean_up_when_it_comes) {
    run([&]() -> task<> {
        std::optional<time_point> cleaned_up;
        const auto slow = [&]() -> task<> {
            const at_end clean_up([&] { cleaned_up = runtime().now(); });
            co_await runtime().gather(3, [&](std::size_t) { return sleep(1h); });
        };
        const auto limited = [&]() -> task<> {
            co_await runtime().with_deadline(time_point(1s), slow());
        };
        EXPECT_EQ(co_await error_of(limited()), std::errc::timed_out);
        EXPECT_EQ(cleaned_up, time_point(1s));
        EXPECT_EQ(runtime().now(), time_point(1s));
    });
}

TEST_F(with_deadline_test, the_inner_or_the_outer_of_two_whichever_comes_first) {
    run([&]() -> task<> {
        std::vector<int> caught;
        const auto limited = [&](time_point outer, time_point inner) -> task<> {
            const auto inside = [&]() -> task<> {
                const auto error = co_await error_of(
                    [&]() -> task<> { co_await runtime().with_deadline(inner, sleep(1h)); }());
                caught.push_back(error.value());
            };
            co_await runtime().with_deadline(outer, inside());
        };
        EXPECT_EQ(co_await error_of(limited(time_point(2s), time_point(1s))), std::error_code());
        EXPECT_EQ(co_await error_of(limited(time_point(3s), time_point(4s))), std::errc::timed_out);
        EXPECT_THAT(caught, testing::ElementsAre(ETIMEDOUT));
        EXPECT_EQ(runtime().now(), time_point(3s));
    });
}

TEST_F(with_deadline_test, that_has_passed_allows_what_need_not_wait) {
    run([&]() -> task<> {
        const time_point past = runtime().now() - 1s;
        const auto quick = []() -> task<int> { co_return 1; };
        EXPECT_EQ(co_await runtime().with_deadline(past, quick()), 1);
        EXPECT_EQ(co_await error_of(
                      [&]() -> task<> { co_await runtime().with_deadline(past, sleep(1ns)); }()),
                  std::errc::timed_out);
    });
}

TEST_F(with_deadline_test, is_cancelled_with_the_task_that_set_it) {
    run([&]() -> task<> {
        auto background = runtime().spawn([](with_deadline_test& test) -> task<> {
            co_await test.runtime().with_deadline(time_point(1s), test.sleep(1h));
        }(*this));
        co_await runtime().yield();
        background.cancel();
        EXPECT_EQ(co_await error_of([](auto& joined) -> task<> { co_await joined; }(background)),
                  std::errc::operation_canceled);
        co_await runtime().sleep_for(2s);  // Its deadline means nobody any more.
    });
}

TEST_F(with_deadline_test, nothing_is_left_with_the_loop_when_all_were_kept) {
    virtual_time_loop loop;
    {
        coroutine<virtual_time_loop> short_lived(loop);
        short_lived.run([](auto& on) -> task<> {
            const auto soon = [](auto& there) -> task<> { co_await there.sleep_for(1s); };
            co_await on.with_deadline(time_point(10s), soon(on));
        }(short_lived));
    }
    coroutine<virtual_time_loop> next(loop);
    next.run([](auto& on) -> task<> { co_await on.sleep_for(1h); }(next));
    EXPECT_EQ(loop.now(), time_point(1h + 1s));
}

}  // namespace
