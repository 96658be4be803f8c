// Run many tasks at once and return their results in the order in which the tasks were given.
//
// Children are started in order, each running until it first has to wait, and then the gathering
// task waits. In a runtime, after some that wait (see unfinished_gathers.hpp) those that are ready have
// their turn before more are started. If children throw, the others still run to their ends; then the exception of the
// lowest index is thrown. Gathers nested in children that have not waited yet nest on the native
// stack, one level each.
#pragma once

#include <overlap/coroutine/frame_pool.hpp>
#include <overlap/coroutine/task.hpp>
#include <overlap/coroutine/unfinished_gathers.hpp>

#include <array>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace overlap {

namespace detail {

template <class T>
inline constexpr bool is_task = false;
template <class T>
inline constexpr bool is_task<task<T>> = true;

/// What a gather of n tasks of T returns.
template <class T>
struct gathered {
    using type = std::vector<T>;
};
template <>
struct gathered<void> {
    using type = void;
};

/// The frames of a gather's children, null before a child is made and after it has ended. Their
/// memory comes from where frames come from: a tree of gathers has one such array for each inner
/// task, and malloc would give pages back after each tree and fault them in again for the next.
class child_frames {
public:
    child_frames() = default;
    child_frames(const child_frames&) = delete;
    child_frames& operator=(const child_frames&) = delete;

    /// Destroys the frames of children that have not ended.
    ~child_frames() {
        if (frames_ == nullptr) return;
        for (std::size_t i = 0; i < count_; ++i) {
            if (frames_[i]) frames_[i].destroy();
        }
        frame_pool::release(frames_, count_ * sizeof *frames_);
    }

    /// Call once. Throws std::bad_alloc, also for more than tasks have numbers for.
    std::coroutine_handle<>* make(std::size_t count) {
        if (count > std::numeric_limits<std::uint32_t>::max()) throw std::bad_alloc();
        frames_ =
            static_cast<std::coroutine_handle<>*>(frame_pool::allocate(count * sizeof *frames_));
        count_ = count;
        std::uninitialized_value_construct_n(frames_, count);
        return frames_;
    }

    std::coroutine_handle<>& operator[](std::size_t index) noexcept { return frames_[index]; }

private:
    std::coroutine_handle<>* frames_ = nullptr;
    std::size_t count_ = 0;
};

template <class T>
using slots_of = std::conditional_t<std::is_void_v<T>, nothing, std::vector<result_slot<T>>>;

/// All results, moved out of their slots.
template <class T>
typename gathered<T>::type take_all(slots_of<T>& slots) {
    if constexpr (std::is_void_v<T>) {
        return;
    } else if constexpr (std::is_same_v<slots_of<T>, std::vector<T>>) {
        return std::move(slots);
    } else {
        std::vector<T> values;
        values.reserve(slots.size());
        for (auto& slot : slots) values.push_back(take_from<T>(slot));
        return values;
    }
}

/// Makes the child of an index and runs it until it first waits. It counts as pending already.
template <class Body>
void start_child(Body& body, std::size_t index, task_target& target,
                 child_frames& children) noexcept {
    try {
        auto child = std::invoke(body, index).release();
        child.promise().target = &target;
        child.promise().index = static_cast<std::uint32_t>(index);
        if (target.is_ours) child.promise().inherit(promise_of(target.waiter));
        children[index] = child;
        child.resume();
    } catch (...) {  // No memory for the frame, or the body itself is no coroutine and threw.
        target.fail(index, std::current_exception());
        --target.pending;
    }
}

}  // namespace detail

/// The awaitable behind runtime.gather(count, body). `body` stays alive until the last child ends,
/// so it may be a lambda coroutine that uses its captures.
template <class Body>
class [[nodiscard]] gather_awaiter : detail::unfinished_gather {
    using child_task = std::invoke_result_t<Body&, std::size_t>;
    static_assert(detail::is_task<child_task>, "gather(count, body): body(index) returns a task");
    using value = typename child_task::value_type;

public:
    /// Without a runtime's `unfinished` gathers, all children are started at once.
    gather_awaiter(std::size_t count, Body body, detail::unfinished_gathers* unfinished = nullptr)
        : detail::unfinished_gather{&go_on}, unfinished_(unfinished), body_(std::move(body)) {
        target_.count = count;
    }
    gather_awaiter(gather_awaiter&&) = delete;  // Children know where it is.
    ~gather_awaiter() {
        if (is_listed_) unfinished_->remove(*this);
    }

    [[nodiscard]] bool await_ready() const noexcept { return target_.count == 0; }

    /// Throws std::bad_alloc, before any child was started.
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> waiter) {
        target_.children = children_.make(target_.count);
        if constexpr (!std::is_void_v<value>) {
            slots_.resize(target_.count);
            target_.results = slots_.data();
        }
        target_.wait(waiter);
        if constexpr (detail::is_cancellable<Promise>) {
            waiter.promise().note(detail::awaited::children, &target_);
        }
        target_.pending = 1;  // For the starting, so that no child resumes too early.
        if (unfinished_ != nullptr) {
            unfinished_->add(*this);
            is_listed_ = true;
        }
        return start_some();
    }

    typename detail::gathered<value>::type await_resume() {
        target_.note_end();
        if (target_.error) std::rethrow_exception(std::move(target_.error));
        return detail::take_all<value>(slots_);
    }

private:
    /// In a later iteration of the loop.
    static std::coroutine_handle<> go_on(detail::unfinished_gather& self) noexcept {
        auto& gather = static_cast<gather_awaiter&>(self);
        if (gather.target_.waiter_is_cancelled()) {
            gather.next_ = gather.target_.count;
            gather.target_.is_lost = true;
        }
        return gather.start_some();
    }

    std::coroutine_handle<> start_some() noexcept {
        std::size_t index = next_;
        const std::size_t left = target_.count - index;
        const std::size_t granted = unfinished_ == nullptr ? left : unfinished_->grant(left);
        next_ += granted;
        target_.pending += granted;
        for (const std::size_t end = next_; index != end; ++index)
            detail::start_child(body_, index, target_, children_);
        if (granted != left) {
            unfinished_->post();
            return std::noop_coroutine();
        }
        if (std::exchange(is_listed_, false)) unfinished_->remove(*this);
        return --target_.pending == 0 ? after_all(target_) : std::noop_coroutine();
    }

    detail::unfinished_gathers* unfinished_;
    std::size_t next_ = 0;  ///< The first child that has not been started.
    bool is_listed_ = false;
    Body body_;
    detail::gathered_tasks target_;
    [[no_unique_address]] detail::slots_of<value> slots_;
    detail::child_frames children_;  // Destroyed first: tasks that have not ended use all of this.
};

namespace detail {

/// g++ before 13 destroys the captures of a lambda written inside a co_await expression twice (one
/// of the temporaries of gcc.gnu.org/PR99576 and its kin), which only shows if they need
/// destroying.
template <class Body>
inline constexpr bool outlives_its_expression =
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
    std::is_lvalue_reference_v<Body> || std::is_trivially_destructible_v<Body>;
#else
    true;
#endif

}  // namespace detail

/// body(0) .. body(count - 1), each a task<T>; returns std::vector<T>, or nothing for task<void>.
template <class Body>
    requires std::invocable<std::decay_t<Body>&, std::size_t>
auto gather(std::size_t count, Body&& body, detail::unfinished_gathers* unfinished = nullptr) {
    static_assert(detail::outlives_its_expression<Body>,
                  "gather(count, body): this compiler would destroy the captures of a lambda "
                  "written here twice; name it first, then give std::ref(name)");
    return gather_awaiter<std::decay_t<Body>>(count, std::forward<Body>(body), unfinished);
}

/// The tasks of a range that the caller gives away: gather(std::move(tasks)).
template <std::ranges::input_range Range>
    requires detail::is_task<std::ranges::range_value_t<Range>> &&
             (!std::is_lvalue_reference_v<Range>)
auto gather(Range&& range, detail::unfinished_gathers* unfinished = nullptr) {
    std::vector<std::ranges::range_value_t<Range>> tasks;
    for (auto&& each : range) tasks.push_back(std::move(each));
    const std::size_t count = tasks.size();
    auto next = [tasks = std::move(tasks)](std::size_t index) mutable {
        return std::move(tasks[index]);
    };
    return gather_awaiter<decltype(next)>(count, std::move(next), unfinished);
}

namespace detail {

template <class T>
using tuple_element = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <class T>
task<void> deliver(task<T> from, std::optional<tuple_element<T>>& into) {
    if constexpr (std::is_void_v<T>) {
        co_await std::move(from);
        into.emplace();
    } else {
        into.emplace(co_await std::move(from));
    }
}

}  // namespace detail

/// Tasks of different types; returns a std::tuple, with std::monostate for each task<void>.
template <class... T>
task<std::tuple<detail::tuple_element<T>...>> gather(task<T>... tasks) {
    std::tuple<std::optional<detail::tuple_element<T>>...> results;
    auto deliveries = std::apply(
        [&](auto&... result) {
            return std::array<task<void>, sizeof...(T)>{
                detail::deliver(std::move(tasks), result)...};
        },
        results);
    co_await gather(std::move(deliveries));
    co_return std::apply([](auto&... result) { return std::make_tuple(std::move(*result)...); },
                         results);
}

}  // namespace overlap
