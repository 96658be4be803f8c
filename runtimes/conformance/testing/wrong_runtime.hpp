// What the deliberately wrong runtimes are made of: two right ones, on threads and on fibers, that
// ask at each step what to get wrong.
#pragma once

#include <overlap/conformance/runtime_tasks.hpp>
#include <overlap/conformance/testing/wrong_cancelling.hpp>
#include <overlap/core/runtime.hpp>
#include <overlap/core/task_results.hpp>
#include <overlap/fiber/fiber.hpp>
#include <overlap/loops/poll.hpp>
#include <overlap/thread_pool/thread_per_task.hpp>

#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace overlap::conformance {

/// What a runtime does at each step; a derived class gets one of them wrong. Called from any task.
class habits {
public:
    using failures = std::vector<std::exception_ptr>;

    habits() = default;
    habits(const habits&) = delete;
    habits& operator=(const habits&) = delete;
    virtual ~habits() = default;

    /// May refuse a gather, by an exception.
    virtual void begin_gather() {}
    /// Runs the task number `index` of `n`; `is_void` says whether it returns nothing.
    virtual void run_task(std::size_t, std::size_t, bool, const std::function<void()>& task) {
        task();
    }
    [[nodiscard]] virtual bool one_by_one() const { return false; }
    /// Whether gather leaves the last task alone, and does not wait for it.
    [[nodiscard]] virtual bool deserts_the_last_of(std::size_t, bool) const { return false; }
    /// The task whose result stands at place `index` of `n`.
    [[nodiscard]] virtual std::size_t place(std::size_t, std::size_t index) const { return index; }
    virtual void spoil_truths(std::vector<bool>&) {}
    /// Sees what tasks have thrown, by their numbers; the first one set is thrown.
    virtual void sort_failures(failures&) {}
    /// Sees what the root task returned, or what it threw.
    virtual void spoil_root(std::unique_ptr<int>&) {}
    [[nodiscard]] virtual bool forgives(const std::exception&) { return false; }

    [[nodiscard]] virtual std::size_t task_limit() const { return right::task_limit(); }
    virtual void sleep_until(time_point deadline) { right::sleep_until(deadline); }
    virtual int connect(const endpoint& peer) { return right::connect(peer); }
    virtual std::size_t read(int connection, std::span<std::byte> buffer) {
        return right::read(connection, buffer);
    }
    virtual void write(int connection, std::span<const std::byte> bytes) {
        right::write(connection, bytes);
    }
    virtual void close(int connection) { right::close(connection); }

    /// Whether this thread runs a task that nobody waits for.
    static inline thread_local bool deserted = false;

protected:
    using right = thread_per_task;
};

/// A runtime on threads with the habits that were chosen for it, at run time, so that rules are
/// compiled only once.
class chosen_runtime {
public:
    static inline std::unique_ptr<habits> (*choose)() = nullptr;

    static constexpr const char* name() noexcept { return "wrong"; }
    [[nodiscard]] std::size_t task_limit() const { return habits_->task_limit(); }

    template <class Root>
    std::invoke_result_t<Root&> run(Root root) {
        using result = std::invoke_result_t<Root&>;
        try {
            if constexpr (std::same_as<result, std::unique_ptr<int>>) {
                auto value = root();
                habits_->spoil_root(value);
                return value;
            } else {
                return root();
            }
        } catch (const std::exception& failure) {
            if (!habits_->forgives(failure)) throw;
        }
        if constexpr (std::is_default_constructible_v<result>) return result();
        throw std::logic_error("there is no result to make up");
    }

    template <class Body>
    auto gather(std::size_t n, const Body& body) {
        using result = task_result_t<Body>;
        using stored = std::conditional_t<std::is_void_v<result>, char, result>;
        habits_->begin_gather();
        const bool deserts = habits_->deserts_the_last_of(n, std::is_void_v<result>);
        if (deserts) {
            std::thread([body, n] {
                habits::deserted = true;
                body(n - 1);
            }).detach();
        }
        std::vector<std::optional<stored>> values(n);
        habits::failures failures(n);
        const auto run = [&](std::size_t index) {
            habits_->run_task(n, index, std::is_void_v<result>, [&] {
                try {
                    if constexpr (std::is_void_v<result>) {
                        body(index);
                    } else {
                        values[index].emplace(body(index));
                    }
                } catch (...) {
                    failures[index] = std::current_exception();
                }
            });
        };
        if (habits_->one_by_one()) {
            for (std::size_t index = 0; index < n; ++index) run(index);
        } else {
            thread_per_task::gather(deserts ? n - 1 : n, run);
        }
        habits_->sort_failures(failures);
        for (const auto& failure : failures) {
            if (failure) std::rethrow_exception(failure);
        }
        if constexpr (!std::is_void_v<result>) return in_order(values);
    }

    [[nodiscard]] static time_point now() { return thread_per_task::now(); }
    static void yield() { thread_per_task::yield(); }
    void sleep_until(time_point deadline) { habits_->sleep_until(deadline); }
    static int accept(int listener) { return thread_per_task::accept(listener); }
    int connect(const endpoint& peer) { return habits_->connect(peer); }
    std::size_t read(int connection, std::span<std::byte> buffer) {
        return habits_->read(connection, buffer);
    }
    void write(int connection, std::span<const std::byte> bytes) {
        habits_->write(connection, bytes);
    }
    void close(int connection) { habits_->close(connection); }

private:
    template <class T>
    std::vector<T> in_order(std::vector<std::optional<T>>& values) {
        std::vector<T> results;
        results.reserve(values.size());
        for (std::size_t index = 0; index < values.size(); ++index) {
            auto& value = values[habits_->place(values.size(), index)];
            if constexpr (std::is_default_constructible_v<T>) {
                results.push_back(value.value_or(T()));
            } else {
                results.push_back(*value);
            }
        }
        if constexpr (std::same_as<T, bool>) habits_->spoil_truths(results);
        return results;
    }

    std::unique_ptr<habits> habits_ = choose();
};

static_assert(direct_runtime<chosen_runtime>);

/// What a runtime of fibers gets wrong.
enum class fiber_mistake {
    none,
    yield_does_nothing,
    yield_has_room_for_40_tasks,
    spawn_runs_the_task_inside_the_call,
    join_spoils_the_result,
    join_swallows_the_exception,
};

class wrong_fiber : public wrong_cancelling {
public:
    static inline fiber_mistake chosen = fiber_mistake::none;

    using wrong_cancelling::wrong_cancelling;

    void yield() {
        if (chosen == fiber_mistake::yield_does_nothing) return;
        ++yielding_;
        const bool full = chosen == fiber_mistake::yield_has_room_for_40_tasks && yielding_ > 40;
        full ? sleep_until(time_point::max()) : fiber::yield();
        --yielding_;
    }

    template <class Function>
    auto spawn(Function function) {
        using result = std::invoke_result_t<Function&>;
        std::optional<result> early;
        if (chosen == fiber_mistake::spawn_runs_the_task_inside_the_call &&
            std::same_as<result, bool>) {
            try {
                early = function();
            } catch (const std::exception&) {
                early.reset();  // So that it throws again in its time.
            }
        }
        return wrong_cancelling::spawn([function, early]() -> result {
            try {
                const result value = early ? *early : function();
                const bool spoils =
                    chosen == fiber_mistake::join_spoils_the_result && !std::same_as<result, bool>;
                return spoils ? static_cast<result>(value + 1) : value;
            } catch (const std::exception&) {
                if (chosen != fiber_mistake::join_swallows_the_exception) throw;
                return result();
            }
        });
    }

private:
    int yielding_ = 0;
};

template <>
struct fresh<wrong_fiber> {
    poll_loop loop;
    wrong_fiber runtime{loop};
};

static_assert(direct_runtime<wrong_fiber>);

}  // namespace overlap::conformance
