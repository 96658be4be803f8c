// The serve workload: n tasks, each of which answers the messages of one connection, some of which ask
// for work.
#pragma once

#include "bench/workloads/leaf_values.hpp"
#include "bench/workloads/serve/case.hpp"

#include <overlap/core/runtime.hpp>
#include <overlap/coroutine/task.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <span>
#include <vector>

namespace overlap::bench {

/// What has come over a connection and is not answered yet.
class unanswered_messages {
public:
    unanswered_messages(std::size_t message_size, std::size_t room)
        : size_(message_size), bytes_(room) {}

    /// Where to read more to, never empty unless there is a whole message.
    std::span<std::byte> room() noexcept {
        std::copy(bytes_.begin() + begin_, bytes_.begin() + end_, bytes_.begin());
        end_ -= begin_;
        begin_ = 0;
        return std::span(bytes_).subspan(static_cast<std::size_t>(end_));
    }
    void add(std::size_t bytes) noexcept { end_ += static_cast<std::ptrdiff_t>(bytes); }

    [[nodiscard]] bool has_message() const noexcept {
        return end_ - begin_ >= static_cast<std::ptrdiff_t>(size_);
    }
    std::span<std::byte> first() noexcept {
        return std::span(bytes_).subspan(static_cast<std::size_t>(begin_), size_);
    }
    void drop_first() noexcept { begin_ += static_cast<std::ptrdiff_t>(size_); }

private:
    std::size_t size_;
    std::vector<std::byte> bytes_;
    std::ptrdiff_t begin_ = 0;
    std::ptrdiff_t end_ = 0;
};

/// Does what the message asks for, and makes it its answer. Returns how many steps that were.
inline std::uint64_t make_answer(std::span<std::byte> message) noexcept {
    struct {
        std::uint32_t steps;
        std::uint32_t state;
    } asked{};
    std::memcpy(&asked, message.data(), sizeof asked);
    asked.state = static_cast<std::uint32_t>(leaf_value(asked.state, asked.steps));
    std::memcpy(message.data(), &asked, sizeof asked);
    return asked.steps;
}

/// Accepts one connection, answers its messages one after another, and returns how many steps that took.
/// Whatever goes wrong on the connection, it is closed before anybody hears of it.
template <stackless_runtime Runtime, class Flight>
task<std::uint64_t> answer_one(Runtime& runtime, int listener, const serve_case& given, Flight) {
    const int connection = co_await runtime.accept(listener);
    unanswered_messages here(given.bytes, given.buffer_size());
    std::uint64_t computed = 0;
    std::exception_ptr failure;
    try {
        while (const std::size_t size = co_await runtime.read(connection, here.room())) {
            for (here.add(size); here.has_message(); here.drop_first()) {
                computed += make_answer(here.first());
                co_await runtime.write(connection, here.first());
            }
        }
    } catch (...) {
        failure = std::current_exception();
    }
    co_await runtime.close(connection);
    if (failure) std::rethrow_exception(failure);
    co_return computed;
}

template <direct_runtime Runtime, class Flight>
std::uint64_t answer_one(Runtime& runtime, int listener, const serve_case& given, Flight) {
    const int connection = runtime.accept(listener);
    unanswered_messages here(given.bytes, given.buffer_size());
    std::uint64_t computed = 0;
    std::exception_ptr failure;
    try {
        while (const std::size_t size = runtime.read(connection, here.room())) {
            for (here.add(size); here.has_message(); here.drop_first()) {
                computed += make_answer(here.first());
                runtime.write(connection, here.first());
            }
        }
    } catch (...) {
        failure = std::current_exception();
    }
    runtime.close(connection);
    if (failure) std::rethrow_exception(failure);
    return computed;
}

/// Returns how many steps each connection asked for. What is passed by reference must have existed when
/// the runtime was made, for the sake of worker processes.
template <stackless_runtime Runtime, class Log>
task<std::vector<std::uint64_t>> answer_all(Runtime& runtime, const serve_case& given,
                                            const int& listener, Log& log) {
    co_return co_await runtime.gather(given.connections, [&](std::size_t) {
        return answer_one(runtime, listener, given, log.enter());
    });
}

template <direct_runtime Runtime, class Log>
std::vector<std::uint64_t> answer_all(Runtime& runtime, const serve_case& given,
                                      const int& listener, Log& log) {
    return runtime.gather(given.connections, [&](std::size_t) {
        return answer_one(runtime, listener, given, log.enter());
    });
}

}  // namespace overlap::bench
