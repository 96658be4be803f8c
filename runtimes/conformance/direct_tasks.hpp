// What the rules of direct runtimes run: small tasks and gathers, as function templates over the
// runtime, so that stackless twins of them differ by `co_await`, `co_return` and `task<T>` alone.
//
// Processes run them too. So what a lambda captures is trivially copyable, and what a captured
// pointer points to existed before the runtime and is shared between processes.
#pragma once

#include <overlap/conformance/violation.hpp>
#include <overlap/core/error.hpp>
#include <overlap/core/runtime.hpp>

#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <numeric>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <system_error>
#include <vector>

namespace overlap::conformance {

/// The file that the rules of runtimes quote.
inline constexpr std::string_view runtime_contract = "overlap/core/runtime.hpp";

/// A runtime of its own for a rule, made when the rule says so. Specialise it for a runtime that
/// needs something to be made with, such as a loop.
template <class Runtime>
struct fresh {
    Runtime runtime;
};

/// n counters at 0, which every process forked later shares.
class shared_counts {
public:
    explicit shared_counts(std::size_t n) : size_(n) {
        void* const memory = ::mmap(nullptr, n * sizeof(std::atomic<std::uint32_t>),
                                    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) throw_errno(errno, "mmap");
        data_ = static_cast<std::atomic<std::uint32_t>*>(memory);
    }
    ~shared_counts() { ::munmap(data_, size_ * sizeof *data_); }
    shared_counts(const shared_counts&) = delete;
    shared_counts& operator=(const shared_counts&) = delete;

    [[nodiscard]] std::atomic<std::uint32_t>* data() const noexcept { return data_; }

    void expect_all(std::uint32_t expected) const {
        for (std::size_t index = 0; index < size_; ++index) {
            expect_equal(data_[index].load(), expected, text("how often task ", index, " ran"));
        }
    }

private:
    std::atomic<std::uint32_t>* data_ = nullptr;
    std::size_t size_;
};

/// A result that has no default constructor.
class short_text {
public:
    explicit short_text(std::size_t number) { std::snprintf(text_.data(), 24, "%zu", number); }
    [[nodiscard]] const char* data() const noexcept { return text_.data(); }

private:
    std::array<char, 24> text_;
};

template <direct_runtime Runtime>
std::size_t square_of(Runtime&, std::size_t index) {
    return index * index;
}

template <direct_runtime Runtime>
std::vector<std::size_t> gather_squares(Runtime& runtime, std::size_t n) {
    return runtime.gather(n, [&runtime](std::size_t index) { return square_of(runtime, index); });
}

template <direct_runtime Runtime>
bool is_odd(Runtime&, std::size_t index) {
    return index % 2 == 1;
}

template <direct_runtime Runtime>
std::vector<bool> gather_parities(Runtime& runtime, std::size_t n) {
    return runtime.gather(n, [&runtime](std::size_t index) { return is_odd(runtime, index); });
}

template <direct_runtime Runtime>
short_text text_of(Runtime&, std::size_t index) {
    return short_text(index);
}

template <direct_runtime Runtime>
std::vector<short_text> gather_texts(Runtime& runtime, std::size_t n) {
    return runtime.gather(n, [&runtime](std::size_t index) { return text_of(runtime, index); });
}

template <direct_runtime Runtime>
void count_up(Runtime&, std::atomic<std::uint32_t>* counts, std::size_t index) {
    ++counts[index];
}

template <direct_runtime Runtime>
void gather_counts(Runtime& runtime, std::size_t n, std::atomic<std::uint32_t>* counts) {
    runtime.gather(
        n, [&runtime, counts](std::size_t index) { return count_up(runtime, counts, index); });
}

/// A tree of gathers, four children each; the leaves are numbered 4 * first, 4 * first + 1, ...
template <direct_runtime Runtime>
std::size_t sum_of_leaves(Runtime& runtime, std::size_t depth, std::size_t first) {
    if (depth == 0) return first;
    const std::vector<std::size_t> sums =
        runtime.gather(4, [&runtime, depth, first](std::size_t index) {
            return sum_of_leaves(runtime, depth - 1, 4 * first + index);
        });
    return std::accumulate(sums.begin(), sums.end(), std::size_t{0});
}

/// Counts up, and then throws for 7, 17, 27, ...
template <direct_runtime Runtime>
void count_and_perhaps_throw(Runtime&, std::atomic<std::uint32_t>* counts, std::size_t index) {
    ++counts[index];
    if (index % 10 == 7) throw std::runtime_error("task " + std::to_string(index));
}

template <direct_runtime Runtime>
void gather_with_failures(Runtime& runtime, std::size_t n, std::atomic<std::uint32_t>* counts) {
    runtime.gather(n, [&runtime, counts](std::size_t index) {
        return count_and_perhaps_throw(runtime, counts, index);
    });
}

template <direct_runtime Runtime>
void gather_nested_failures(Runtime& runtime, std::size_t n, std::atomic<std::uint32_t>* counts) {
    runtime.gather(
        n, [&runtime, counts](std::size_t) { return gather_with_failures(runtime, 10, counts); });
}

/// Throws, and the lower its index the later.
template <direct_runtime Runtime>
int throw_late(Runtime& runtime, std::size_t index) {
    runtime.sleep_until(runtime.now() + std::chrono::milliseconds(10) * (3 - index));
    throw std::runtime_error("task " + std::to_string(index));
}

template <direct_runtime Runtime>
void gather_late_failures(Runtime& runtime, std::size_t n) {
    runtime.gather(n, [&runtime](std::size_t index) { return throw_late(runtime, index); });
}

template <direct_runtime Runtime>
int throw_system_error(Runtime&, std::size_t) {
    throw std::system_error(ENOENT, std::generic_category(), "no such thing");
}

template <direct_runtime Runtime>
void gather_system_errors(Runtime& runtime, std::size_t n) {
    runtime.gather(n, [&runtime](std::size_t index) { return throw_system_error(runtime, index); });
}

}  // namespace overlap::conformance
