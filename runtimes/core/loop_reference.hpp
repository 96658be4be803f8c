// A loop of any type, as far as whoever ends somebody's wait needs it.
#pragma once

#include <overlap/core/operation.hpp>

namespace overlap {

/// Posts to a loop and cancels what was submitted to it. A runtime has one; the loop must outlive it. Used
/// on the loop's thread.
class loop_reference {
public:
    template <class Loop>
    explicit loop_reference(Loop& loop) noexcept
        : loop_(&loop), post_([](void* to, operation* op) { static_cast<Loop*>(to)->post(op); }),
          cancel_([](void* of, operation* op) { static_cast<Loop*>(of)->cancel(op); }) {}

    void post(operation* op) const { post_(loop_, op); }

    /// May throw std::bad_alloc, as the loop's call does.
    void cancel(operation* op) const { cancel_(loop_, op); }

    /// From now on nothing is posted or cancelled: for a runtime that frees what would be resumed.
    /// (Besides, the last operation in the loop's queue, which would be linked to the next, may be
    /// gone.)
    void close() noexcept {
        post_ = cancel_ = [](void*, operation*) {};
    }

private:
    void* loop_;
    void (*post_)(void* loop, operation* op);
    void (*cancel_)(void* loop, operation* op);
};

}  // namespace overlap
