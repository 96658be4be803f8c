// Keeps the working set of gathers small: of many children, some start, and have their turn before
// more of them do.
#pragma once

#include <overlap/core/loop_reference.hpp>
#include <overlap/core/operation.hpp>
#include <overlap/core/runtime.hpp>

#include <algorithm>
#include <coroutine>
#include <cstddef>
#include <utility>

namespace overlap::detail {

/// A gather that has children yet to start.
struct unfinished_gather {
    /// Starts children as long as it may, and returns what is to be resumed.
    std::coroutine_handle<> (*go_on)(unfinished_gather& self) noexcept;
    unfinished_gather* outer = nullptr;
    unfinished_gather* inner = nullptr;
};

/// Those of one runtime; the gather that began last is the first to go on, so that a tree of gathers is
/// walked depth first as far as its tasks only yield. Depth first search of a tree of tasks keeps its
/// memory to what one branch takes (R. D. Blumofe, C. E. Leiserson, Scheduling multithreaded
/// computations by work stealing, 1999, calls that busy leaves).
class unfinished_gathers {
public:
    explicit unfinished_gathers(const loop_reference& loop) noexcept : more_(*this), loop_(loop) {}
    unfinished_gathers(const unfinished_gathers&) = delete;
    unfinished_gathers& operator=(const unfinished_gathers&) = delete;

    void add(unfinished_gather& gather) noexcept {
        gather.outer = innermost_;
        gather.inner = nullptr;
        if (innermost_ != nullptr) innermost_->inner = &gather;
        innermost_ = &gather;
    }
    void remove(unfinished_gather& gather) noexcept {
        (gather.inner == nullptr ? innermost_ : gather.inner->outer) = gather.outer;
        if (gather.outer != nullptr) gather.outer->inner = gather.inner;
    }

    /// How many of so many children may start in this iteration.
    [[nodiscard]] std::size_t grant(std::size_t wanted) noexcept {
        const std::size_t granted = std::min(wanted, left_);
        left_ -= granted;
        return granted;
    }
    /// Goes on when what is ready has had its turn.
    void post() {
        if (!std::exchange(is_posted_, true)) loop_.post(&more_);
    }

private:
    struct duty : operation {
        explicit duty(unfinished_gathers& whose) noexcept : operation(&go_on), owner(whose) {}
        static void go_on(operation* self) noexcept { static_cast<duty*>(self)->owner.take_turn(); }
        unfinished_gathers& owner;
    };

    void take_turn() noexcept {
        is_posted_ = false;
        left_ = starts_in_iteration;
        while (innermost_ != nullptr && left_ != 0) innermost_->go_on(*innermost_).resume();
        if (innermost_ != nullptr) post();
    }

    duty more_;
    const loop_reference& loop_;
    unfinished_gather* innermost_ = nullptr;
    std::size_t left_ = starts_in_iteration;  ///< That may start in this iteration.
    bool is_posted_ = false;
};

}  // namespace overlap::detail
