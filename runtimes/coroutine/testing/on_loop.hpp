// What tests of the coroutine runtime share: a runtime on each loop, and what it reported.
#pragma once

#include <overlap/coroutine/coroutine.hpp>
#include <overlap/loops/epoll.hpp>
#include <overlap/loops/poll.hpp>
#include <overlap/loops/uring.hpp>
#include <overlap/loops/virtual_time.hpp>

#include <functional>
#include <gtest/gtest.h>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace overlap {

using real_loops = testing::Types<poll_loop, epoll_loop, uring_loop>;
using all_loops = testing::Types<virtual_time_loop, poll_loop, epoll_loop, uring_loop>;

/// Names the instances of a typed suite: spawn_test/epoll.
struct loop_names {
    template <event_loop Loop>
    static std::string GetName(int) {
        return std::string(Loop::name());
    }
};

/// A runtime on a loop of its own, made after the loop said that it is available; a test on one
/// that is not is skipped, with the reason.
template <event_loop Loop>
class on_loop : public testing::Test {
public:
    void SetUp() override {
        if (const availability available = Loop::available(); !available) {
            GTEST_SKIP() << Loop::name() << " is not available: " << available.reason;
        }
        parts_.emplace();
        runtime().on_report([this](const std::string& line) { reports_.push_back(line); });
    }

    [[nodiscard]] coroutine<Loop>& runtime() { return parts_->runtime; }

    /// Runs a coroutine without arguments, which lives until it has ended.
    template <class Root>
    auto run(Root root) {
        return runtime().run(root());
    }

    /// Destroys the runtime, which reports what is left, and then the loop.
    void end_runtime() { parts_.reset(); }

    /// What the runtime reported so far, oldest first.
    [[nodiscard]] const std::vector<std::string>& reports() const { return reports_; }

private:
    struct parts {
        Loop loop;
        coroutine<Loop> runtime{loop};
    };

    std::vector<std::string> reports_;  // Outlives the runtime, which may report as it ends.
    std::optional<parts> parts_;
};

/// For what does not depend on the loop: time is exact, and an hour takes no time.
using on_virtual_time = on_loop<virtual_time_loop>;

/// Calls `tell` when destroyed, to see that a frame was freed, and when.
class at_end {
public:
    explicit at_end(std::function<void()> tell) : tell_(std::move(tell)) {}
    at_end(at_end&& other) noexcept : tell_(std::exchange(other.tell_, nullptr)) {}
    at_end& operator=(at_end&&) = delete;
    ~at_end() {
        if (tell_) tell_();
    }

private:
    std::function<void()> tell_;
};

}  // namespace overlap
