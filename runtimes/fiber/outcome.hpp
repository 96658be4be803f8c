// What came of a function: its result, or what it threw.
#pragma once

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace overlap::fibers {

/// Empty until run(). T is void or a movable object type.
template <class T>
class outcome {
    static_assert(std::is_void_v<T> || std::is_object_v<T>,
                  "a task returns a value or nothing: instead of T&, a pointer");

public:
    /// Calls `function` and keeps what comes of it.
    template <class Function>
    void run(Function&& function) noexcept {
        try {
            if constexpr (std::is_void_v<T>) {
                std::forward<Function>(function)();
            } else {
                result_.emplace(std::forward<Function>(function)());
            }
        } catch (...) {
            error_ = std::current_exception();
        }
    }

    [[nodiscard]] const std::exception_ptr& error() const noexcept { return error_; }

    /// Returns the result or throws the exception, once, after run().
    T take() {
        if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
        if constexpr (!std::is_void_v<T>) return *std::move(result_);
    }

private:
    std::optional<std::conditional_t<std::is_void_v<T>, std::monostate, T>> result_;
    std::exception_ptr error_;
};

}  // namespace overlap::fibers
