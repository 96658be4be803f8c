// A runtime on fibers that gets one thing wrong about deadlines or cancelling, if asked to.
#pragma once

#include <overlap/fiber/fiber.hpp>
#include <overlap/loops/poll.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <system_error>
#include <type_traits>
#include <utility>

namespace overlap::conformance {

enum class cancel_mistake {
    none,
    deadlines_come_early,
    late_reads_lose_what_they_have,
    deadlines_outlive_their_call,
    accept_knows_no_deadline,
    cancel_does_not_reach_reads,
    cancelled_reads_lose_what_they_have,
    cancel_tires_after_a_thousand,
    cancel_before_the_start_is_forgotten,
    cancelling_twice_throws,
    cancelling_after_the_end_spoils_the_result,
    deadlines_of_tasks_are_silent,
    deadlines_of_tasks_outlive_them,
};

class wrong_cancelling : public fiber<poll_loop> {
    using right = fiber<poll_loop>;

public:
    static inline cancel_mistake wrong = cancel_mistake::none;

    using right::right;

    using right::accept;
    int accept(int listener, time_point deadline) {
        if (wrong == cancel_mistake::accept_knows_no_deadline) return right::accept(listener);
        return right::accept(listener, deadline);
    }

    std::size_t read(int connection, std::span<std::byte> buffer) {
        if (const auto old = old_deadlines_.find(connection); old != old_deadlines_.end()) {
            return right::read(connection, buffer, old->second);
        }
        try {
            const std::size_t size = right::read(connection, buffer);
            if (wrong == cancel_mistake::cancelled_reads_lose_what_they_have && cancelling_) {
                throw fibers::unwinding();
            }
            return size;
        } catch (const fibers::unwinding&) {
            if (wrong != cancel_mistake::cancel_does_not_reach_reads) throw;
        }
        return right::read(connection, buffer);
    }
    std::size_t read(int connection, std::span<std::byte> buffer, time_point deadline) {
        if (wrong == cancel_mistake::deadlines_come_early) deadline = now();
        if (wrong == cancel_mistake::deadlines_outlive_their_call) {
            old_deadlines_[connection] = deadline;
        }
        const std::size_t size = right::read(connection, buffer, deadline);
        constexpr std::chrono::microseconds nearly{30};
        if (wrong == cancel_mistake::late_reads_lose_what_they_have && now() + nearly > deadline) {
            throw_errno(ETIMEDOUT, "read");
        }
        return size;
    }

    void sleep_until(time_point deadline) {
        if (old_task_deadline_) deadline = std::min(deadline, *old_task_deadline_);
        ++sleeping_;
        const bool tired =
            wrong == cancel_mistake::cancel_tires_after_a_thousand && sleeping_ > 1'000;
        try {
            right::sleep_until(deadline);
        } catch (const fibers::unwinding&) {
            if (!tired) throw;
        }
        --sleeping_;
    }

    template <class Function>
    std::invoke_result_t<Function&> with_deadline(time_point deadline, Function&& function) {
        using result = std::invoke_result_t<Function&>;
        try {
            result value = right::with_deadline(deadline, function);
            if (wrong == cancel_mistake::deadlines_of_tasks_outlive_them) {
                old_task_deadline_ = deadline;
            }
            return value;
        } catch (const std::system_error&) {
            if (wrong != cancel_mistake::deadlines_of_tasks_are_silent) throw;
            return result();
        }
    }

    template <class T>
    class handle {
    public:
        handle(wrong_cancelling& home, std::shared_ptr<bool> begun, fibers::spawned<T> task)
            : home_(&home), begun_(std::move(begun)), task_(std::move(task)) {}

        [[nodiscard]] bool is_done() const noexcept { return task_.is_done(); }
        void cancel() {
            if (wrong == cancel_mistake::cancel_before_the_start_is_forgotten && !*begun_) return;
            if (wrong == cancel_mistake::cancelling_twice_throws && was_cancelled_) {
                throw std::logic_error("cancelled twice");
            }
            spoilt_ = wrong == cancel_mistake::cancelling_after_the_end_spoils_the_result &&
                      task_.is_done();
            was_cancelled_ = true;
            home_->cancelling_ = true;
            task_.cancel();
        }
        T join() {
            const cancelling_mark mark{*home_};
            T value = task_.join();
            if (spoilt_) throw_errno(ECANCELED, "spoilt");
            return value;
        }

    private:
        struct cancelling_mark {
            wrong_cancelling& home;
            ~cancelling_mark() { home.cancelling_ = false; }
        };

        wrong_cancelling* home_;
        std::shared_ptr<bool> begun_;
        fibers::spawned<T> task_;
        bool was_cancelled_ = false;
        bool spoilt_ = false;
    };

    template <class Function>
    auto spawn(Function function) {
        using result = std::invoke_result_t<Function&>;
        auto begun = std::make_shared<bool>(false);
        return handle<result>(*this, begun, right::spawn([begun, function]() mutable -> result {
            *begun = true;
            return function();
        }));
    }

private:
    std::map<int, time_point> old_deadlines_;
    std::optional<time_point> old_task_deadline_;
    std::size_t sleeping_ = 0;
    bool cancelling_ = false;
};

}  // namespace overlap::conformance
