// The echo workload: n tasks, each of which serves one connection until its peer closes it.
#pragma once

#include "bench/workloads/echo/case.hpp"

#include <overlap/core/runtime.hpp>
#include <overlap/coroutine/task.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <vector>

namespace overlap::bench {

/// Accepts one connection, sends back what it reads, and returns how many bytes that were. Whatever
/// goes wrong on the connection, it is closed before anybody hears of it.
template <stackless_runtime Runtime, class Flight>
task<std::uint64_t> serve_one(Runtime& runtime, int listener, std::size_t buffer_size, Flight) {
    const int connection = co_await runtime.accept(listener);
    std::vector<std::byte> buffer(buffer_size);
    std::uint64_t echoed = 0;
    std::exception_ptr failure;
    try {
        while (const std::size_t size = co_await runtime.read(connection, buffer)) {
            co_await runtime.write(connection, std::span(buffer).first(size));
            echoed += size;
        }
    } catch (...) {
        failure = std::current_exception();
    }
    co_await runtime.close(connection);
    if (failure) std::rethrow_exception(failure);
    co_return echoed;
}

template <direct_runtime Runtime, class Flight>
std::uint64_t serve_one(Runtime& runtime, int listener, std::size_t buffer_size, Flight) {
    const int connection = runtime.accept(listener);
    std::vector<std::byte> buffer(buffer_size);
    std::uint64_t echoed = 0;
    std::exception_ptr failure;
    try {
        while (const std::size_t size = runtime.read(connection, buffer)) {
            runtime.write(connection, std::span(buffer).first(size));
            echoed += size;
        }
    } catch (...) {
        failure = std::current_exception();
    }
    runtime.close(connection);
    if (failure) std::rethrow_exception(failure);
    return echoed;
}

/// The same, where each read has a deadline, so long after its call.
template <stackless_runtime Runtime, class Flight>
task<std::uint64_t> serve_one_in_time(Runtime& runtime, int listener, const echo_case& given,
                                      Flight) {
    const int connection = co_await runtime.accept(listener);
    std::vector<std::byte> buffer(given.buffer_size());
    std::uint64_t echoed = 0;
    std::exception_ptr failure;
    try {
        while (const std::size_t size =
                   co_await runtime.read(connection, buffer, runtime.now() + given.deadline)) {
            co_await runtime.write(connection, std::span(buffer).first(size));
            echoed += size;
        }
    } catch (...) {
        failure = std::current_exception();
    }
    co_await runtime.close(connection);
    if (failure) std::rethrow_exception(failure);
    co_return echoed;
}

template <direct_runtime Runtime, class Flight>
std::uint64_t serve_one_in_time(Runtime& runtime, int listener, const echo_case& given, Flight) {
    const int connection = runtime.accept(listener);
    std::vector<std::byte> buffer(given.buffer_size());
    std::uint64_t echoed = 0;
    std::exception_ptr failure;
    try {
        while (const std::size_t size =
                   runtime.read(connection, buffer, runtime.now() + given.deadline)) {
            runtime.write(connection, std::span(buffer).first(size));
            echoed += size;
        }
    } catch (...) {
        failure = std::current_exception();
    }
    runtime.close(connection);
    if (failure) std::rethrow_exception(failure);
    return echoed;
}

/// Returns how many bytes each connection echoed. What is passed by reference must have existed when
/// the runtime was made, for the sake of worker processes.
template <stackless_runtime Runtime, class Log>
task<std::vector<std::uint64_t>> serve_all(Runtime& runtime, const echo_case& given,
                                           const int& listener, Log& log) {
    co_return co_await runtime.gather(given.connections, [&](std::size_t) {
        return serve_one(runtime, listener, given.buffer_size(), log.enter());
    });
}

template <direct_runtime Runtime, class Log>
std::vector<std::uint64_t> serve_all(Runtime& runtime, const echo_case& given, const int& listener,
                                     Log& log) {
    return runtime.gather(given.connections, [&](std::size_t) {
        return serve_one(runtime, listener, given.buffer_size(), log.enter());
    });
}

template <stackless_runtime Runtime, class Log>
task<std::vector<std::uint64_t>> serve_all_in_time(Runtime& runtime, const echo_case& given,
                                                   const int& listener, Log& log) {
    co_return co_await runtime.gather(given.connections, [&](std::size_t) {
        return serve_one_in_time(runtime, listener, given, log.enter());
    });
}

template <direct_runtime Runtime, class Log>
std::vector<std::uint64_t> serve_all_in_time(Runtime& runtime, const echo_case& given,
                                             const int& listener, Log& log) {
    return runtime.gather(given.connections, [&](std::size_t) {
        return serve_one_in_time(runtime, listener, given, log.enter());
    });
}

}  // namespace overlap::bench
