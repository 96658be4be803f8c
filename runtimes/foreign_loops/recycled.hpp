// Objects that are used, given back and used again: for libraries that want an object of theirs for
// each operation, where the contract wants no allocation once warm.
#pragma once

#include <cstddef>
#include <deque>
#include <utility>
#include <vector>

namespace overlap {

/// Owns every object that it ever made, each at an address of its own until the end. Not thread-safe.
template <class T>
class recycled {
public:
    /// An object that was given back, as it was left, or a new one made from `arguments`. Throws
    /// std::bad_alloc.
    template <class... Arguments>
    [[nodiscard]] T* take(Arguments&&... arguments) {
        if (!free_.empty()) {
            T* last = free_.back();
            free_.pop_back();
            return last;
        }
        // Room for all of them, so that give_back() needs no memory.
        if (free_.capacity() <= all_.size()) free_.reserve(2 * all_.size() + 1);
        return &all_.emplace_back(std::forward<Arguments>(arguments)...);
    }

    void give_back(T* object) noexcept { free_.push_back(object); }

    /// How many there are, in use or not.
    [[nodiscard]] std::size_t size() const noexcept { return all_.size(); }

private:
    std::deque<T> all_;
    std::vector<T*> free_;
};

}  // namespace overlap
