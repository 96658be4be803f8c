// The fetch workload: n tasks, each of which gets documents over one connection, one after another.
#pragma once

#include "bench/workloads/client_failure.hpp"
#include "bench/workloads/fetch/case.hpp"
#include "bench/workloads/fetch/documents.hpp"

#include <overlap/clients/http_session.hpp>
#include <overlap/core/runtime.hpp>
#include <overlap/coroutine/task.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <vector>

namespace overlap::bench {

/// Returns the sum of all values in the documents that task `index` is to get. Each task has a session of
/// its own, since tasks may run on several threads or processes.
template <stackless_runtime Runtime, class Flight>
task<std::uint64_t> fetch_in_turn(Runtime& runtime, const fetch_case& given, std::uint32_t seed,
                                  std::size_t index, Flight) {
    http_session session(runtime, given.server.where, given.keeps());
    std::uint64_t sum = 0;
    std::exception_ptr failure;
    try {
        for (std::size_t i = 0; i < given.exchanges; ++i) {
            const std::string path =
                given.path(fetch_case::item(seed, index * given.exchanges + i));
            const http_response answer = co_await session.get(path);
            sum += sum_of_values(path, answer);
        }
    } catch (...) {
        failure = std::current_exception();
    }
    co_await session.close();
    if (failure) throw_of(given.server, failure);
    co_return sum;
}

template <direct_runtime Runtime, class Flight>
std::uint64_t fetch_in_turn(Runtime& runtime, const fetch_case& given, std::uint32_t seed,
                            std::size_t index, Flight) {
    http_session session(runtime, given.server.where, given.keeps());
    std::uint64_t sum = 0;
    std::exception_ptr failure;
    try {
        for (std::size_t i = 0; i < given.exchanges; ++i) {
            const std::string path =
                given.path(fetch_case::item(seed, index * given.exchanges + i));
            const http_response answer = session.get(path);
            sum += sum_of_values(path, answer);
        }
    } catch (...) {
        failure = std::current_exception();
    }
    session.close();
    if (failure) throw_of(given.server, failure);
    return sum;
}

/// Returns the sum of each task, by index.
template <stackless_runtime Runtime, class Log>
task<std::vector<std::uint64_t>> fetch_all(Runtime& runtime, const fetch_case& given,
                                           std::uint32_t seed, Log& log) {
    co_return co_await runtime.gather(given.connections, [&, seed](std::size_t index) {
        return fetch_in_turn(runtime, given, seed, index, log.enter());
    });
}

template <direct_runtime Runtime, class Log>
std::vector<std::uint64_t> fetch_all(Runtime& runtime, const fetch_case& given, std::uint32_t seed,
                                     Log& log) {
    return runtime.gather(given.connections, [&, seed](std::size_t index) {
        return fetch_in_turn(runtime, given, seed, index, log.enter());
    });
}

}  // namespace overlap::bench
