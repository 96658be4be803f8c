// An operation that resumes a coroutine, or ends it if it was cancelled.
#pragma once

#include <overlap/core/loop_reference.hpp>
#include <overlap/core/operation.hpp>
#include <overlap/coroutine/cancellation.hpp>

#include <cerrno>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <type_traits>

namespace overlap::detail {

/// Goes on with a coroutine that waited, with a promise that is cancellable. `has_result` says that
/// what it waited for has a result of its own, which it gets also when it was cancelled.
inline void resume_or_unwind(std::coroutine_handle<> frame, bool has_result) noexcept {
    cancellable_promise& promise = promise_of(frame);
    promise.note_nothing();
    if (promise.is_cancelled == 0 || has_result) [[likely]] {
        frame.resume();
    } else {
        unwind(frame).resume();
    }
}

/// `Operation` is operation, timer_operation or io_operation.
template <class Operation>
struct resume_operation : Operation {
    std::coroutine_handle<> waiter;

    template <class... Arguments>
    explicit resume_operation(Arguments... arguments) : Operation(arguments..., &resume) {}

    /// Or ends, for lack of a result.
    template <class Promise>
    void set_waiter(std::coroutine_handle<Promise> its_waiter) noexcept {
        waiter = its_waiter;
        this->done = is_cancellable<Promise> ? &go_on : &resume;
    }

private:
    static void resume(operation* self) noexcept {
        static_cast<resume_operation*>(self)->waiter.resume();
    }
    static void go_on(operation* self) noexcept {
        resume_or_unwind(static_cast<resume_operation*>(self)->waiter, false);
    }
};

/// The same for an operation that lies in the frame of the coroutine it resumes, which most do: the
/// coroutine is found from the operation's own address. A handle more would take a sleeping task
/// from 112 to 128 bytes.
template <class Operation>
struct in_frame_operation : Operation {
    template <class... Arguments>
    explicit in_frame_operation(Arguments... arguments) : Operation(arguments..., &resume<false>) {}

    /// To be called before the operation is submitted. Returns whether the waiter was cancelled: then the
    /// operation must be posted instead, as if it had completed with -ECANCELED. A derived operation that
    /// has a `done` of its own sets it before. Throws std::length_error when the operation lies
    /// before the frame, or further behind its start than the tag can count, 512 KiB.
    template <class Promise>
    bool set_waiter(std::coroutine_handle<Promise> waiter) {
        const auto distance = static_cast<std::size_t>(reinterpret_cast<std::byte*>(this) -
                                                       static_cast<std::byte*>(waiter.address()));
        if (distance / unit > std::numeric_limits<std::uint16_t>::max()) {
            throw std::length_error("what a coroutine waits for must lie in its own frame, and in "
                                    "the first 512 KiB of it");
        }
        this->tag = static_cast<std::uint16_t>(distance / unit);
        if constexpr (is_cancellable<Promise>) {
            if (this->done == &resume<false>) this->done = &resume<true>;
            cancellable_promise& promise = waiter.promise();
            if (promise.is_cancelled != 0) {
                this->result = -ECANCELED;
                return true;
            }
            promise.note(awaited::operation, this->tag);
        }
        return false;
    }

    [[nodiscard]] std::coroutine_handle<> waiter() const noexcept {
        const auto place = reinterpret_cast<std::uintptr_t>(this) - this->tag * unit;
        // NOLINTNEXTLINE(performance-no-int-to-ptr): a frame is found by where its operation lies.
        return std::coroutine_handle<>::from_address(reinterpret_cast<void*>(place));
    }

    /// Or ends it, if it was cancelled and there is no result. Cancellable: the waiter's promise is.
    template <bool Cancellable>
    void resume_waiter() noexcept {
        if constexpr (Cancellable) {
            constexpr bool is_io = std::same_as<Operation, io_operation>;
            resume_or_unwind(waiter(), is_io && this->result != -ECANCELED);
        } else {
            waiter().resume();
        }
    }

private:
    static constexpr std::size_t unit = alignof(operation);
    static_assert(unit == cancellable_promise::unit);

    template <bool Cancellable>
    static void resume(operation* self) noexcept {
        static_cast<in_frame_operation*>(static_cast<Operation*>(self))
            ->template resume_waiter<Cancellable>();
    }
};

/// Awaits an awaiter that lives elsewhere and can give up: `give_up(loop)` has the loop end the wait
/// and returns false, or forgets who waits and returns true.
template <class A>
class cancellable_reference : cancel_hook {
public:
    explicit cancellable_reference(A& to) noexcept : cancel_hook{&give_up}, to_(&to) {}
    cancellable_reference(const cancellable_reference&) = delete;
    cancellable_reference& operator=(const cancellable_reference&) = delete;

    bool await_ready() { return to_->await_ready(); }

    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> waiter) {
        promise_ = &waiter.promise();
        if (promise_->is_cancelled != 0) return unwind(waiter);
        promise_->note(awaited::other, static_cast<cancel_hook*>(this));
        try {
            return suspend(waiter);
        } catch (...) {
            promise_->note_nothing();
            throw;
        }
    }

    decltype(auto) await_resume() {
        if (promise_ != nullptr) promise_->note_nothing();
        return to_->await_resume();
    }

private:
    template <class Promise>
    std::coroutine_handle<> suspend(std::coroutine_handle<Promise> waiter) {
        using suspended = decltype(to_->await_suspend(waiter));
        if constexpr (std::is_void_v<suspended>) {
            to_->await_suspend(waiter);
            return std::noop_coroutine();
        } else if constexpr (std::is_same_v<suspended, bool>) {
            if (to_->await_suspend(waiter)) return std::noop_coroutine();
            return waiter;
        } else {
            return to_->await_suspend(waiter);
        }
    }

    static void give_up(cancel_hook& hook, const loop_reference& loop) {
        auto& self = static_cast<cancellable_reference&>(hook);
        if (!self.to_->give_up(loop)) return;
        self.promise_->note_nothing();
        self.end_.set_waiter(
            std::coroutine_handle<cancellable_promise>::from_promise(*self.promise_));
        loop.post(&self.end_);
    }

    A* to_;
    cancellable_promise* promise_ = nullptr;
    resume_operation<operation> end_;  // Posted when nothing else will resume the waiter.
};

}  // namespace overlap::detail
