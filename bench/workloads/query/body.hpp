// The query workload: n tasks, each of which asks a database over one connection, query by query.
#pragma once

#include "bench/workloads/client_failure.hpp"
#include "bench/workloads/query/case.hpp"

#include <overlap/clients/postgresql_session.hpp>
#include <overlap/core/runtime.hpp>
#include <overlap/coroutine/task.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <vector>

namespace overlap::bench {

inline postgresql_login login_of(const postgresql_server& server) {
    return {server.user, server.database, server.password};
}

/// The one number that each query asks for. Throws postgresql_error where it is not.
inline std::uint64_t balance_in(const postgresql_exchange& answer) {
    if (answer.rows() != 1) {
        throw postgresql_error("an account has " + std::to_string(answer.rows()) +
                               " rows, expected 1");
    }
    return static_cast<std::uint32_t>(answer.number<std::int32_t>(0, 0));
}

/// Returns the sum of all balances that task `index` is to ask for.
template <stackless_runtime Runtime, class Flight>
task<std::uint64_t> query_in_turn(Runtime& runtime, const query_case& given, std::uint32_t seed,
                                  std::size_t index, Flight) {
    postgresql_session session(runtime);
    std::uint64_t sum = 0;
    std::exception_ptr failure;
    try {
        co_await session.open(given.server.where, login_of(given.server));
        co_await session.prepare("by_key", given.statement());
        for (std::size_t i = 0; i < given.exchanges; ++i) {
            const std::size_t key = query_case::key(seed, index * given.exchanges + i);
            co_await session.query("by_key", std::to_string(key));
            sum += balance_in(session.answer());
        }
    } catch (...) {
        failure = std::current_exception();
    }
    co_await session.close();
    if (failure) throw_of(given.server, failure);
    co_return sum;
}

template <direct_runtime Runtime, class Flight>
std::uint64_t query_in_turn(Runtime& runtime, const query_case& given, std::uint32_t seed,
                            std::size_t index, Flight) {
    postgresql_session session(runtime);
    std::uint64_t sum = 0;
    std::exception_ptr failure;
    try {
        session.open(given.server.where, login_of(given.server));
        session.prepare("by_key", given.statement());
        for (std::size_t i = 0; i < given.exchanges; ++i) {
            const std::size_t key = query_case::key(seed, index * given.exchanges + i);
            session.query("by_key", std::to_string(key));
            sum += balance_in(session.answer());
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
task<std::vector<std::uint64_t>> query_all(Runtime& runtime, const query_case& given,
                                           std::uint32_t seed, Log& log) {
    co_return co_await runtime.gather(given.connections, [&, seed](std::size_t index) {
        return query_in_turn(runtime, given, seed, index, log.enter());
    });
}

template <direct_runtime Runtime, class Log>
std::vector<std::uint64_t> query_all(Runtime& runtime, const query_case& given, std::uint32_t seed,
                                     Log& log) {
    return runtime.gather(given.connections, [&, seed](std::size_t index) {
        return query_in_turn(runtime, given, seed, index, log.enter());
    });
}

}  // namespace overlap::bench
