// An operation that resumes a coroutine.
#pragma once

#include <overlap/core/operation.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>

namespace overlap::detail {

/// `Operation` is operation, timer_operation or io_operation.
template <class Operation>
struct resume_operation : Operation {
    std::coroutine_handle<> waiter;

    template <class... Arguments>
    explicit resume_operation(Arguments... arguments) : Operation(arguments..., &resume) {}

    static void resume(operation* self) noexcept {
        static_cast<resume_operation*>(self)->waiter.resume();
    }
};

/// The same for an operation that lies in the frame of the coroutine it resumes, which most do: the
/// coroutine is found from the operation's own address. A handle more would take a sleeping task
/// from 112 to 128 bytes.
template <class Operation>
struct in_frame_operation : Operation {
    template <class... Arguments>
    explicit in_frame_operation(Arguments... arguments) : Operation(arguments..., &resume) {}

    /// To be called before the operation is lent. Throws std::length_error when the operation lies
    /// before the frame, or further behind its start than the tag can count, 512 KiB.
    void set_waiter(std::coroutine_handle<> waiter) {
        const auto distance = static_cast<std::size_t>(reinterpret_cast<std::byte*>(this) -
                                                       static_cast<std::byte*>(waiter.address()));
        if (distance / unit > std::numeric_limits<std::uint16_t>::max()) {
            throw std::length_error("what a coroutine waits for must lie in its own frame, and in "
                                    "the first 512 KiB of it");
        }
        this->tag = static_cast<std::uint16_t>(distance / unit);
    }

    void resume_waiter() noexcept { resume(this); }

private:
    static constexpr std::size_t unit = alignof(operation);

    static void resume(operation* self) noexcept {
        std::byte* const frame = reinterpret_cast<std::byte*>(self) - self->tag * unit;
        std::coroutine_handle<>::from_address(frame).resume();
    }
};

/// Posts to a loop of any type. A runtime has one; the loop must outlive it.
class poster {
public:
    template <class Loop>
    explicit poster(Loop& loop) noexcept
        : loop_(&loop), post_([](void* to, operation* op) { static_cast<Loop*>(to)->post(op); }) {}

    void operator()(operation* op) const { post_(loop_, op); }

    /// From now on nothing is posted: for a runtime that frees the frames it would resume.
    /// (Besides, the last operation in the loop's queue, which would be linked to the next, may be
    /// gone.)
    void close() noexcept {
        post_ = [](void*, operation*) {};
    }

private:
    void* loop_;
    void (*post_)(void* loop, operation* op);
};

}  // namespace overlap::detail
