// A bounded channel between threads, on oneTBB's concurrent_bounded_queue.
#pragma once

#include <cstddef>
#include <limits>
#include <oneapi/tbb/concurrent_queue.h>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace overlap {

/// What overlap::channel is to coroutines, for any threads; push and pop hold theirs. Nobody may push
/// after close(), nor still be pushing when it is called: whoever pushes last closes, once. No thread may
/// be in a call when it is destroyed.
template <class T>
class thread_channel {
public:
    /// Throws std::invalid_argument for a capacity of 0, or more than oneTBB can count.
    explicit thread_channel(std::size_t capacity) {
        if (capacity == 0 || capacity > std::numeric_limits<std::ptrdiff_t>::max()) {
            throw std::invalid_argument("a channel holds at least 1 element, got capacity " +
                                        std::to_string(capacity));
        }
        queue_.set_capacity(static_cast<std::ptrdiff_t>(capacity));
    }

    /// Waits for room.
    void push(T element) { queue_.push(std::optional<T>(std::move(element))); }
    /// Copies the element in and returns true if there is room now.
    bool try_push(const T& element) { return queue_.try_push(std::optional<T>(element)); }

    /// Waits for an element; returns std::nullopt when the channel is closed and empty.
    std::optional<T> pop() {
        std::optional<T> element;
        queue_.pop(element);
        if (!element)
            queue_.push(std::nullopt);  // For the next one, in the place that is free now.
        return element;
    }

    /// Waits for room, for what says that it is closed stands behind all elements.
    void close() { queue_.push(std::nullopt); }

private:
    tbb::concurrent_bounded_queue<std::optional<T>> queue_;
};

}  // namespace overlap
