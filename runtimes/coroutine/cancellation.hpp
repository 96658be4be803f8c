// How a task that waits is ended from outside.
//
// A promise notes where in its frame that lies what the task waits for: in bits beside its index, so
// tasks that wait take no more memory for it. cancel_waits() follows the notes down to what was submitted
// to the loop, and has the loop complete it; nobody's code runs meanwhile. When that has completed, the
// frame is destroyed instead of resumed, and then those of the tasks that waited for it, inside out:
// their destructors are the clean-up. (D. Kühl, M. Nadolski, "Add a coroutine task type", P3552, ends
// stopped tasks in the same way.)
//
// Cancelling takes back what has not happened. An operation that completed with a result of its own
// before the loop could cancel it resumes its task as ever; so a read that is cancelled loses no byte,
// and the task ends where it waits next.
#pragma once

#include <overlap/core/error.hpp>
#include <overlap/core/loop_reference.hpp>
#include <overlap/coroutine/awaitable.hpp>

#include <cerrno>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <system_error>
#include <utility>

namespace overlap::detail {

/// What those are thrown who wait for a task that was cancelled.
inline std::system_error cancelled_error() {
    return {std::make_error_code(std::errc::operation_canceled), "the task was cancelled"};
}

struct task_target;

/// What a suspended coroutine waits for: where it is that a note says.
enum class awaited : std::uint8_t {
    unknown,    ///< Nothing, or what cannot be cancelled.
    operation,  ///< An operation submitted to the loop.
    child,      ///< An awaited_task.
    children,   ///< A gathered_tasks.
    other,      ///< A cancel_hook.
};

/// The head of the promises of all coroutines here. It is found from the frame's address alone, so it
/// comes first in them, and they are aligned to no more than what every frame is.
struct cancellable_promise : checks_awaitables {
    union {
        task_target* target = nullptr;  ///< Of a task.
        /// Of another coroutine: it ends without having been resumed; returns what is to be resumed.
        std::coroutine_handle<> (*end)(cancellable_promise& self) noexcept;
    };
    // Each is loaded as wide as it was stored: a load of bits that several stores have just written would
    // wait until these have left the processor's store buffer.
    std::uint32_t index = 0;  ///< In a gather.
    std::uint16_t place = 0;  ///< Of what is waited for, in units from the frame's start.
    awaited waits_for = awaited::unknown;
    std::uint8_t is_task : 1 = 1;
    std::uint8_t is_cancelled : 1 = 0;

    void note(awaited kind, std::size_t units) noexcept {
        place = static_cast<std::uint16_t>(units);
        waits_for = kind;
    }
    /// Notes nothing, and what is waited for cannot be cancelled, when it does not lie in the frame or
    /// lies further behind its start than the note can count, 512 KiB.
    void note(awaited kind, const void* what) noexcept {
        const auto distance =
            static_cast<std::size_t>(static_cast<const std::byte*>(what) - frame());
        if (distance / unit <= UINT16_MAX) note(kind, distance / unit);
    }
    void note_nothing() noexcept { waits_for = awaited::unknown; }
    /// Cancelled as well if `parent` was, before it starts.
    void inherit(const cancellable_promise& parent) noexcept {
        is_cancelled |= parent.is_cancelled;
    }

    [[nodiscard]] std::byte* frame() noexcept {
        return static_cast<std::byte*>(
            std::coroutine_handle<cancellable_promise>::from_promise(*this).address());
    }
    [[nodiscard]] void* what() noexcept { return frame() + place * unit; }

    static constexpr std::size_t unit = alignof(void*);
};

template <class Promise>
inline constexpr bool is_cancellable = std::derived_from<Promise, cancellable_promise>;

/// `frame` must be that of a coroutine whose promise is cancellable.
inline cancellable_promise& promise_of(std::coroutine_handle<> frame) noexcept {
    return std::coroutine_handle<cancellable_promise>::from_address(frame.address()).promise();
}

/// Whom a task tells that it has ended: one task waiting for one child or, in a gather, for many.
/// It lives in the waiter's frame.
struct task_target {
    std::coroutine_handle<> waiter;
    std::size_t pending = 1;  ///< Children that have not ended.
    void* results = nullptr;  ///< An array of result_slot, by index.
    /// In a gather, the frames of the children that have not ended, by index; each child frees its
    /// own at its end. Otherwise nullptr, and the target is an awaited_task.
    std::coroutine_handle<>* children = nullptr;
    std::exception_ptr error;  ///< That of the lowest index.
    std::uint32_t error_index = 0;
    bool is_ours = false;   ///< The waiter's promise is cancellable.
    bool is_limit = false;  ///< Cancelling may have begun with the child: a deadline.
    bool is_lost = false;   ///< Some child was cancelled and has no result.

    void fail(std::size_t index, std::exception_ptr thrown) noexcept {
        if (error && error_index < index) return;
        error = std::move(thrown);
        error_index = static_cast<std::uint32_t>(index);
    }

    template <class Promise>
    void wait(std::coroutine_handle<Promise> its_waiter) noexcept {
        waiter = its_waiter;
        is_ours = is_cancellable<Promise>;
    }
    /// To be called by the waiter when it goes on.
    void note_end() const noexcept {
        if (is_ours) promise_of(waiter).note_nothing();
    }

    [[nodiscard]] bool waiter_is_cancelled() const noexcept {
        return is_ours && promise_of(waiter).is_cancelled;
    }
    /// When all children have ended and some are lost: whether the waiter ends, too, or hears of it.
    [[nodiscard]] bool waiter_ends() const noexcept {
        return is_ours && (!is_limit || promise_of(waiter).is_cancelled);
    }
};

/// One task that another waits for.
struct awaited_task : task_target {
    std::coroutine_handle<> child;  ///< Owned.

    explicit awaited_task(std::coroutine_handle<> owned) noexcept : child(owned) {}
    awaited_task(const awaited_task&) = delete;
    awaited_task& operator=(const awaited_task&) = delete;
    ~awaited_task() {
        if (child) child.destroy();
    }

    /// Returns what is to be resumed. `results` is one result_slot.
    template <class Promise>
    std::coroutine_handle<> start(std::coroutine_handle<Promise> its_waiter,
                                  void* its_results) noexcept {
        cancellable_promise& promise = promise_of(child);
        results = its_results;
        wait(its_waiter);
        promise.target = this;
        if constexpr (is_cancellable<Promise>) {
            its_waiter.promise().note(awaited::child, this);
            promise.inherit(its_waiter.promise());
        }
        return child;
    }
};

/// The tasks of a gather.
struct gathered_tasks : task_target {
    std::size_t count = 0;
};

/// At the start of what is waited for in another way.
struct cancel_hook {
    void (*cancel)(cancel_hook& self, const loop_reference& loop);
};

/// Ends a suspended coroutine without resuming it, and all that wait for it, up to whoever hears of
/// it. Returns what is to be resumed.
inline std::coroutine_handle<> unwind(std::coroutine_handle<> frame) noexcept {
    for (;;) {
        cancellable_promise& ended = promise_of(frame);
        if (ended.is_task == 0) return ended.end(ended);
        task_target& target = *ended.target;
        if (target.children != nullptr) {
            target.children[ended.index] = nullptr;
        } else {
            static_cast<awaited_task&>(target).child = nullptr;
        }
        frame.destroy();
        target.is_lost = true;
        if (--target.pending != 0) return std::noop_coroutine();
        frame = target.waiter;
        if (!target.waiter_ends()) {
            if (!target.is_limit) target.error = std::make_exception_ptr(cancelled_error());
            return frame;
        }
    }
}

/// At the end of the last child of a gather: the waiter, or what is to be resumed in its place.
inline std::coroutine_handle<> after_all(task_target& target) noexcept {
    if (!target.is_lost) [[likely]]
        return target.waiter;
    if (target.waiter_ends()) return unwind(target.waiter);
    if (!target.is_limit) target.error = std::make_exception_ptr(cancelled_error());
    return target.waiter;
}

/// Cancels what `frame` and the tasks that it waits for wait for. Those that wait for nothing now end
/// where they next wait. Throws std::bad_alloc when the loop does; then some may not have been
/// reached, and the call may be made again. Gathers inside gathers nest on the native stack.
inline void cancel_waits(std::coroutine_handle<> frame, const loop_reference& loop) {
    for (;;) {
        cancellable_promise& promise = promise_of(frame);
        promise.is_cancelled = 1;
        switch (promise.waits_for) {
        case awaited::unknown:
            return;
        case awaited::operation:
            return loop.cancel(static_cast<operation*>(promise.what()));
        case awaited::other: {
            auto& hook = *static_cast<cancel_hook*>(promise.what());
            return hook.cancel(hook, loop);
        }
        case awaited::child:
            frame = static_cast<awaited_task*>(promise.what())->child;
            if (!frame) return;
            break;
        case awaited::children: {
            const auto& all = *static_cast<gathered_tasks*>(promise.what());
            for (std::size_t i = 0; i < all.count; ++i) {
                if (all.children[i]) cancel_waits(all.children[i], loop);
            }
            return;
        }
        }
    }
}

}  // namespace overlap::detail
