// Tasks whose results cross from one process to another byte by byte.
#pragma once

#include <overlap/core/runtime.hpp>

#include <cstddef>
#include <new>
#include <type_traits>
#include <vector>

namespace overlap {

/// How the tasks of `Body` leave their results in memory that processes share, and how they are
/// gathered from there. Tasks that return nothing need no memory.
template <class Body>
struct portable_task {
    static_assert(portable_body<Body>,
                  "tasks run in other processes, so the body (with all that it captures) and what "
                  "it returns must be trivially copyable; a result may also be void");

    using result = std::invoke_result_t<const Body&, std::size_t>;
    static constexpr bool has_result = !std::is_void_v<result>;
    using stored = std::conditional_t<has_result, result, char>;
    static constexpr std::size_t result_size = has_result ? sizeof(stored) : 0;
    static constexpr std::size_t result_alignment = alignof(stored);

    /// Runs the task of `index`; its result goes where that index belongs behind `results`.
    static void run(const Body& body, std::size_t index, std::byte* results) {
        if constexpr (has_result) {
            ::new (results + index * result_size) stored(body(index));
        } else {
            body(index);
        }
    }

    /// The first n results, copied.
    static auto collect(const std::byte* results, std::size_t n) {
        if constexpr (has_result) {
            const auto* const first = reinterpret_cast<const stored*>(results);
            return std::vector<stored>(first, first + n);
        }
    }
};

}  // namespace overlap
