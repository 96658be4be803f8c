// A first-in, first-out queue of operations, linked through the operations themselves.
#pragma once

#include <overlap/core/operation.hpp>

#include <utility>

namespace overlap {

/// Owns nothing and allocates nothing; an operation may be in one queue at a time. Not thread-safe.
class operation_queue {
public:
    operation_queue() = default;
    operation_queue(operation_queue&& other) noexcept
        : first_(std::exchange(other.first_, nullptr)), last_(std::exchange(other.last_, nullptr)) {
    }
    operation_queue& operator=(operation_queue&& other) noexcept {
        first_ = std::exchange(other.first_, nullptr);
        last_ = std::exchange(other.last_, nullptr);
        return *this;
    }

    [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
    [[nodiscard]] operation* front() const noexcept { return first_; }

    void push(operation* op) noexcept {
        op->next = nullptr;
        if (first_ == nullptr) {
            first_ = op;
        } else {
            last_->next = op;
        }
        last_ = op;
    }

    /// Takes the first operation out, or returns nullptr when there is none.
    operation* pop() noexcept {
        operation* op = first_;
        if (op != nullptr) first_ = op->next;
        return op;
    }

    /// Takes `op` out, wherever it stands; takes time in proportion to the queue's length. Returns
    /// whether it was there.
    bool remove(operation* op) noexcept {
        operation* before = nullptr;
        for (operation* at = first_; at != nullptr; before = at, at = at->next) {
            if (at != op) continue;
            (before == nullptr ? first_ : before->next) = op->next;
            if (last_ == op) last_ = before;
            return true;
        }
        return false;
    }

private:
    operation* first_ = nullptr;
    operation* last_ = nullptr;  // Meaningful only while first_ is set.
};

}  // namespace overlap
