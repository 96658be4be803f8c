// What the rules of runtimes run: small tasks and gathers, each once a colour. A direct body is its
// stackless twin right above it with `co_await` dropped and `co_return` read as `return`.
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
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <system_error>
#include <utility>
#include <vector>

namespace overlap::conformance {

/// The file that the rules of runtimes quote.
inline constexpr std::string_view runtime_contract = "overlap/core/runtime.hpp";

/// A runtime of its own for a rule, made when the rule says so. Specialise it for a runtime that
/// needs something to be made with, such as a loop. A stackless runtime's coroutines are of the type
/// `task<T>` that either the runtime or the specialisation has as a member template.
template <class Runtime>
struct fresh {
    Runtime runtime;
};

template <class Runtime>
    requires requires { typename Runtime::template task<int>; }
struct fresh<Runtime> {
    template <class T>
    using task = typename Runtime::template task<T>;

    Runtime runtime;
};

/// A runtime of either colour.
template <class Runtime>
concept any_runtime = direct_runtime<Runtime> || stackless_runtime<Runtime>;

namespace detail {
template <class Runtime, class T>
struct task_type {
    using type = typename fresh<Runtime>::template task<T>;
};
template <direct_runtime Runtime, class T>
struct task_type<Runtime, T> {
    using type = T;
};
}  // namespace detail

/// What a task that yields a T returns: T, or the runtime's own coroutine type.
template <any_runtime Runtime, class T>
using task_of = typename detail::task_type<Runtime, T>::type;

/// Runs a root task: `root()` returns it, or is it.
template <any_runtime Runtime, class Root>
auto run_root(Runtime& runtime, Root root) {
    if constexpr (direct_runtime<Runtime>) {
        return runtime.run(std::move(root));
    } else {
        return runtime.run(root());
    }
}

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

template <stackless_runtime Runtime>
task_of<Runtime, std::size_t> square_of(Runtime&, std::size_t index) {
    const std::size_t square = index * index;
    co_return square;
}

template <direct_runtime Runtime>
task_of<Runtime, std::size_t> square_of(Runtime&, std::size_t index) {
    const std::size_t square = index * index;
    return square;
}

template <stackless_runtime Runtime>
task_of<Runtime, std::vector<std::size_t>> gather_squares(Runtime& runtime, std::size_t n) {
    co_return co_await runtime.gather(
        n, [&runtime](std::size_t index) { return square_of(runtime, index); });
}

template <direct_runtime Runtime>
task_of<Runtime, std::vector<std::size_t>> gather_squares(Runtime& runtime, std::size_t n) {
    return runtime.gather(n, [&runtime](std::size_t index) { return square_of(runtime, index); });
}

template <stackless_runtime Runtime>
task_of<Runtime, bool> is_odd(Runtime&, std::size_t index) {
    co_return index % 2 == 1;
}

template <direct_runtime Runtime>
task_of<Runtime, bool> is_odd(Runtime&, std::size_t index) {
    return index % 2 == 1;
}

template <stackless_runtime Runtime>
task_of<Runtime, std::vector<bool>> gather_parities(Runtime& runtime, std::size_t n) {
    co_return co_await runtime.gather(
        n, [&runtime](std::size_t index) { return is_odd(runtime, index); });
}

template <direct_runtime Runtime>
task_of<Runtime, std::vector<bool>> gather_parities(Runtime& runtime, std::size_t n) {
    return runtime.gather(n, [&runtime](std::size_t index) { return is_odd(runtime, index); });
}

template <stackless_runtime Runtime>
task_of<Runtime, short_text> text_of(Runtime&, std::size_t index) {
    co_return short_text(index);
}

template <direct_runtime Runtime>
task_of<Runtime, short_text> text_of(Runtime&, std::size_t index) {
    return short_text(index);
}

template <stackless_runtime Runtime>
task_of<Runtime, std::vector<short_text>> gather_texts(Runtime& runtime, std::size_t n) {
    co_return co_await runtime.gather(
        n, [&runtime](std::size_t index) { return text_of(runtime, index); });
}

template <direct_runtime Runtime>
task_of<Runtime, std::vector<short_text>> gather_texts(Runtime& runtime, std::size_t n) {
    return runtime.gather(n, [&runtime](std::size_t index) { return text_of(runtime, index); });
}

template <stackless_runtime Runtime>
task_of<Runtime, void> count_up(Runtime&, std::atomic<std::uint32_t>* counts, std::size_t index) {
    ++counts[index];
    co_return;
}

template <direct_runtime Runtime>
task_of<Runtime, void> count_up(Runtime&, std::atomic<std::uint32_t>* counts, std::size_t index) {
    ++counts[index];
    return;
}

template <stackless_runtime Runtime>
task_of<Runtime, void> gather_counts(Runtime& runtime, std::size_t n,
                                     std::atomic<std::uint32_t>* counts) {
    co_await runtime.gather(
        n, [&runtime, counts](std::size_t index) { return count_up(runtime, counts, index); });
}

template <direct_runtime Runtime>
task_of<Runtime, void> gather_counts(Runtime& runtime, std::size_t n,
                                     std::atomic<std::uint32_t>* counts) {
    runtime.gather(
        n, [&runtime, counts](std::size_t index) { return count_up(runtime, counts, index); });
}

/// A tree of gathers, four children each; the leaves are numbered 4 * first, 4 * first + 1, ...
template <stackless_runtime Runtime>
task_of<Runtime, std::size_t> sum_of_leaves(Runtime& runtime, std::size_t depth,
                                            std::size_t first) {
    if (depth == 0) co_return first;
    const std::vector<std::size_t> sums =
        co_await runtime.gather(4, [&runtime, depth, first](std::size_t index) {
            return sum_of_leaves(runtime, depth - 1, 4 * first + index);
        });
    co_return std::accumulate(sums.begin(), sums.end(), std::size_t{0});
}

template <direct_runtime Runtime>
task_of<Runtime, std::size_t> sum_of_leaves(Runtime& runtime, std::size_t depth,
                                            std::size_t first) {
    if (depth == 0) return first;
    const std::vector<std::size_t> sums =
        runtime.gather(4, [&runtime, depth, first](std::size_t index) {
            return sum_of_leaves(runtime, depth - 1, 4 * first + index);
        });
    return std::accumulate(sums.begin(), sums.end(), std::size_t{0});
}

/// Counts up, and then throws for 7, 17, 27, ...
template <stackless_runtime Runtime>
task_of<Runtime, void> count_and_perhaps_throw(Runtime&, std::atomic<std::uint32_t>* counts,
                                               std::size_t index) {
    ++counts[index];
    if (index % 10 == 7) throw std::runtime_error("task " + std::to_string(index));
    co_return;
}

template <direct_runtime Runtime>
task_of<Runtime, void> count_and_perhaps_throw(Runtime&, std::atomic<std::uint32_t>* counts,
                                               std::size_t index) {
    ++counts[index];
    if (index % 10 == 7) throw std::runtime_error("task " + std::to_string(index));
    return;
}

template <stackless_runtime Runtime>
task_of<Runtime, void> gather_with_failures(Runtime& runtime, std::size_t n,
                                            std::atomic<std::uint32_t>* counts) {
    co_await runtime.gather(n, [&runtime, counts](std::size_t index) {
        return count_and_perhaps_throw(runtime, counts, index);
    });
}

template <direct_runtime Runtime>
task_of<Runtime, void> gather_with_failures(Runtime& runtime, std::size_t n,
                                            std::atomic<std::uint32_t>* counts) {
    runtime.gather(n, [&runtime, counts](std::size_t index) {
        return count_and_perhaps_throw(runtime, counts, index);
    });
}

template <stackless_runtime Runtime>
task_of<Runtime, void> gather_nested_failures(Runtime& runtime, std::size_t n,
                                              std::atomic<std::uint32_t>* counts) {
    co_await runtime.gather(
        n, [&runtime, counts](std::size_t) { return gather_with_failures(runtime, 10, counts); });
}

template <direct_runtime Runtime>
task_of<Runtime, void> gather_nested_failures(Runtime& runtime, std::size_t n,
                                              std::atomic<std::uint32_t>* counts) {
    runtime.gather(
        n, [&runtime, counts](std::size_t) { return gather_with_failures(runtime, 10, counts); });
}

/// Throws, and the lower its index the later.
template <stackless_runtime Runtime>
task_of<Runtime, int> throw_late(Runtime& runtime, std::size_t index) {
    co_await runtime.sleep_until(runtime.now() + std::chrono::milliseconds(10) * (3 - index));
    throw std::runtime_error("task " + std::to_string(index));
}

template <direct_runtime Runtime>
task_of<Runtime, int> throw_late(Runtime& runtime, std::size_t index) {
    runtime.sleep_until(runtime.now() + std::chrono::milliseconds(10) * (3 - index));
    throw std::runtime_error("task " + std::to_string(index));
}

template <stackless_runtime Runtime>
task_of<Runtime, void> gather_late_failures(Runtime& runtime, std::size_t n) {
    co_await runtime.gather(n,
                            [&runtime](std::size_t index) { return throw_late(runtime, index); });
}

template <direct_runtime Runtime>
task_of<Runtime, void> gather_late_failures(Runtime& runtime, std::size_t n) {
    runtime.gather(n, [&runtime](std::size_t index) { return throw_late(runtime, index); });
}

/// The first task throws at once; the others count up a while later, one after the other.
template <stackless_runtime Runtime>
task_of<Runtime, void> throw_or_count_late(Runtime& runtime, std::atomic<std::uint32_t>* counts,
                                           std::size_t index) {
    if (index == 0) {
        ++counts[index];
        throw std::runtime_error("task 0");
    }
    co_await runtime.sleep_until(runtime.now() + std::chrono::milliseconds(20) * index);
    ++counts[index];
}

template <direct_runtime Runtime>
task_of<Runtime, void> throw_or_count_late(Runtime& runtime, std::atomic<std::uint32_t>* counts,
                                           std::size_t index) {
    if (index == 0) {
        ++counts[index];
        throw std::runtime_error("task 0");
    }
    runtime.sleep_until(runtime.now() + std::chrono::milliseconds(20) * index);
    ++counts[index];
}

template <stackless_runtime Runtime>
task_of<Runtime, void> gather_stragglers(Runtime& runtime, std::size_t n,
                                         std::atomic<std::uint32_t>* counts) {
    co_await runtime.gather(n, [&runtime, counts](std::size_t index) {
        return throw_or_count_late(runtime, counts, index);
    });
}

template <direct_runtime Runtime>
task_of<Runtime, void> gather_stragglers(Runtime& runtime, std::size_t n,
                                         std::atomic<std::uint32_t>* counts) {
    runtime.gather(n, [&runtime, counts](std::size_t index) {
        return throw_or_count_late(runtime, counts, index);
    });
}

template <stackless_runtime Runtime>
task_of<Runtime, int> throw_system_error(Runtime&, std::size_t) {
    throw std::system_error(ENOENT, std::generic_category(), "no such thing");
    co_return 0;
}

template <direct_runtime Runtime>
task_of<Runtime, int> throw_system_error(Runtime&, std::size_t) {
    throw std::system_error(ENOENT, std::generic_category(), "no such thing");
    return 0;
}

template <stackless_runtime Runtime>
task_of<Runtime, void> gather_system_errors(Runtime& runtime, std::size_t n) {
    co_await runtime.gather(
        n, [&runtime](std::size_t index) { return throw_system_error(runtime, index); });
}

template <direct_runtime Runtime>
task_of<Runtime, void> gather_system_errors(Runtime& runtime, std::size_t n) {
    runtime.gather(n, [&runtime](std::size_t index) { return throw_system_error(runtime, index); });
}

template <stackless_runtime Runtime>
task_of<Runtime, std::unique_ptr<int>> own(Runtime&, int value) {
    co_return std::make_unique<int>(value);
}

template <direct_runtime Runtime>
task_of<Runtime, std::unique_ptr<int>> own(Runtime&, int value) {
    return std::make_unique<int>(value);
}

template <stackless_runtime Runtime>
task_of<Runtime, void> set(Runtime&, bool& done) {
    done = true;
    co_return;
}

template <direct_runtime Runtime>
task_of<Runtime, void> set(Runtime&, bool& done) {
    done = true;
    return;
}

template <stackless_runtime Runtime>
task_of<Runtime, int> throw_out_of_range(Runtime&, const char* why) {
    throw std::out_of_range(why);
    co_return 0;
}

template <direct_runtime Runtime>
task_of<Runtime, int> throw_out_of_range(Runtime&, const char* why) {
    throw std::out_of_range(why);
    return 0;
}

/// Of tasks that are to be cancelled: how many began, cleaned up, and went on to their ends.
struct task_counts {
    std::size_t begun = 0;
    std::size_t cleaned_up = 0;
    std::size_t went_on = 0;
};

class counted_clean_up {
public:
    explicit counted_clean_up(task_counts& counts) noexcept : counts_(counts) { ++counts_.begun; }
    counted_clean_up(const counted_clean_up&) = delete;
    counted_clean_up& operator=(const counted_clean_up&) = delete;
    ~counted_clean_up() { ++counts_.cleaned_up; }

private:
    task_counts& counts_;
};

}  // namespace overlap::conformance
