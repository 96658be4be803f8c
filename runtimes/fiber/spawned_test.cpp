#include <overlap/fiber/fiber.hpp>
#include <overlap/loops/virtual_time.hpp>

#include <chrono>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using namespace overlap;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

class spawned : public testing::Test {
protected:
    spawned() {
        runtime.on_report([this](const std::string& line) { reports.push_back(line); });
    }

    virtual_time_loop loop;
    fiber<virtual_time_loop> runtime{loop};
    std::vector<std::string> reports;
    std::string events;
};

TEST_F(spawned, begins_when_the_spawner_next_waits) {
    runtime.run([&] {
        auto task = runtime.spawn([&] { events += "task "; });
        events += "spawner ";
        EXPECT_FALSE(task.is_done());
        runtime.yield();
        EXPECT_TRUE(task.is_done());
        events += "after ";
        task.join();
    });
    EXPECT_EQ(events, "spawner task after ");
}

TEST_F(spawned, gives_its_result_to_who_joins) {
    runtime.run([&] {
        auto task = runtime.spawn([&] {
            runtime.sleep_for(1s);
            return std::make_unique<int>(42);
        });
        EXPECT_EQ(*task.join(), 42);
    });
    EXPECT_EQ(loop.now().time_since_epoch(), 1s);
}

TEST_F(spawned, throws_to_who_joins_and_is_not_reported) {
    runtime.run([&] {
        auto late = runtime.spawn([&] {
            runtime.sleep_for(1s);
            throw std::runtime_error("late");
        });
        auto early = runtime.spawn([] { throw std::runtime_error("early"); });
        EXPECT_THROW(late.join(), std::runtime_error);
        EXPECT_THROW(early.join(), std::runtime_error);
    });
    EXPECT_THAT(reports, IsEmpty());
}

TEST_F(spawned, is_reported_when_it_fails_and_nobody_joins) {
    runtime.run([&] {
        (void)runtime.spawn([] { throw std::runtime_error("dropped before"); });
        auto kept = runtime.spawn([] { throw std::runtime_error("dropped after"); });
        (void)runtime.spawn([] { throw 1; });
        runtime.yield();
    });
    EXPECT_THAT(reports,
                ElementsAre("a spawned task failed: dropped before",
                            "a spawned task failed: an exception that is no std::exception",
                            "a spawned task failed: dropped after"));
}

TEST_F(spawned, goes_on_in_the_next_run) {
    auto task = runtime.run([&] {
        return runtime.spawn([&] {
            runtime.sleep_for(1s);
            return 7;
        });
    });
    EXPECT_THROW(task.join(), std::logic_error) << "it has not ended, and nobody could wait";
    EXPECT_EQ(runtime.run([&] { return task.join(); }), 7);
}

TEST_F(spawned, can_be_joined_after_run_when_it_has_ended) {
    auto task = runtime.run([&] {
        auto begun = runtime.spawn([] { return 7; });
        runtime.yield();
        return begun;
    });
    EXPECT_EQ(task.join(), 7);
}

TEST_F(spawned, can_be_joined_once_and_not_by_itself) {
    runtime.run([&] {
        auto task = runtime.spawn([] {});
        task.join();
        EXPECT_THROW(task.join(), std::logic_error);

        std::optional<fibers::spawned<void>> self;
        self.emplace(runtime.spawn([&] { self->join(); }));
        EXPECT_THROW(self->join(), std::system_error);

        auto shared = runtime.spawn([&] { runtime.sleep_for(1s); });
        auto first = runtime.spawn([&] { shared.join(); });
        runtime.yield();
        EXPECT_THROW(shared.join(), std::logic_error);
        first.join();
    });
}

TEST_F(spawned, destroys_its_function_before_it_is_joined) {
    auto owned = std::make_shared<int>(1);
    const std::weak_ptr<int> watched = owned;
    runtime.run([&] {
        auto task = runtime.spawn([&, owned = std::move(owned)] { runtime.yield(); });
        EXPECT_FALSE(watched.expired());
        task.join();
        EXPECT_TRUE(watched.expired());
    });
}

TEST_F(spawned, throws_what_moving_the_function_throws) {
    struct cannot_move {
        cannot_move() = default;
        cannot_move(const cannot_move&) { throw std::runtime_error("no"); }
        cannot_move& operator=(const cannot_move&) = default;
        ~cannot_move() = default;
        void operator()() const {}
    };
    runtime.run([&] {
        const std::unique_ptr<cannot_move> function = std::make_unique<cannot_move>();
        EXPECT_THROW((void)runtime.spawn(*function), std::runtime_error);
    });
}

TEST_F(spawned, handles_can_be_moved_and_exchanged) {
    runtime.run([&] {
        auto one = runtime.spawn([] { return 1; });
        auto two = runtime.spawn([] { return 2; });
        std::swap(one, two);
        auto moved = std::move(one);
        EXPECT_EQ(moved.join(), 2);
        EXPECT_EQ(two.join(), 1);
    });
}

TEST_F(spawned, many_at_once_share_one_loop) {
    constexpr int n = 1'000;
    EXPECT_EQ(runtime.run([&] {
        std::vector<fibers::spawned<int>> tasks;
        tasks.reserve(n);
        for (int i = 0; i < n; ++i) {
            tasks.push_back(runtime.spawn([&, i] {
                runtime.sleep_for(std::chrono::milliseconds(n - i));
                return i;
            }));
        }
        int sum = 0;
        for (auto& task : tasks) sum += task.join();
        return sum;
    }),
              n * (n - 1) / 2);
    EXPECT_EQ(loop.now().time_since_epoch(), 1s);
}

}  // namespace
