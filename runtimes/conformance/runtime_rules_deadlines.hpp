// Rules of runtimes with deadlines: of one read, accept or connect.
#pragma once

#include <overlap/conformance/clients.hpp>
#include <overlap/conformance/runtime_tasks.hpp>
#include <overlap/core/socket.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <span>
#include <system_error>
#include <thread>
#include <vector>

namespace overlap::conformance {

template <any_runtime Runtime>
void require_deadlines() {
    if (!timed_runtime<Runtime>) throw does_not_apply("needs a runtime with deadlines");
}

/// What came of a read with a deadline.
struct timed_read {
    std::size_t bytes = 0;
    int error = 0;  ///< An errno value, or 0.
    std::byte first{};
};

template <stackless_runtime Runtime>
task_of<Runtime, timed_read> try_to_read(Runtime& runtime, int connection, time_point deadline) {
    std::array<std::byte, 1> buffer{};
    timed_read result;
    try {
        result.bytes = co_await runtime.read(connection, buffer, deadline);
    } catch (const std::system_error& error) {
        result.error = error.code().value();
    }
    result.first = buffer.front();
    co_return result;
}

template <direct_runtime Runtime>
task_of<Runtime, timed_read> try_to_read(Runtime& runtime, int connection, time_point deadline) {
    std::array<std::byte, 1> buffer{};
    timed_read result;
    try {
        result.bytes = runtime.read(connection, buffer, deadline);
    } catch (const std::system_error& error) {
        result.error = error.code().value();
    }
    result.first = buffer.front();
    return result;
}

/// A read that ends by its deadline, one whose deadline has passed, and one that gets a byte.
struct late_and_early {
    timed_read late;
    nanoseconds lateness{};
    timed_read hopeless;
    timed_read early;
};

/// The client answers a byte with a byte.
template <stackless_runtime Runtime>
task_of<Runtime, late_and_early> read_late_and_early(Runtime& runtime, int listener) {
    const int connection = co_await runtime.accept(listener);
    late_and_early result;
    const time_point deadline = runtime.now() + std::chrono::milliseconds(50);
    result.late = co_await try_to_read(runtime, connection, deadline);
    result.lateness = runtime.now() - deadline;
    result.hopeless = co_await try_to_read(runtime, connection, deadline);
    const std::array<std::byte, 1> question{};
    co_await runtime.write(connection, question);
    const time_point far = runtime.now() + std::chrono::minutes(1);
    result.early = co_await try_to_read(runtime, connection, far);
    co_await runtime.close(connection);
    co_return result;
}

template <direct_runtime Runtime>
task_of<Runtime, late_and_early> read_late_and_early(Runtime& runtime, int listener) {
    const int connection = runtime.accept(listener);
    late_and_early result;
    const time_point deadline = runtime.now() + std::chrono::milliseconds(50);
    result.late = try_to_read(runtime, connection, deadline);
    result.lateness = runtime.now() - deadline;
    result.hopeless = try_to_read(runtime, connection, deadline);
    const std::array<std::byte, 1> question{};
    runtime.write(connection, question);
    const time_point far = runtime.now() + std::chrono::minutes(1);
    result.early = try_to_read(runtime, connection, far);
    runtime.close(connection);
    return result;
}

template <any_runtime Runtime>
void required_read_ends_when_its_deadline_comes() {
    require_deadlines<Runtime>();
    if constexpr (timed_runtime<Runtime>) {
        const unique_descriptor listener = open_listener(endpoint{});
        client_process client([&] {
            const unique_descriptor server = connect_narrowly(port_of(listener));
            std::array<std::byte, 1> byte{};
            check_errno(::recv(server.get(), byte.data(), 1, 0), "recv");
            check_errno(::send(server.get(), byte.data(), 1, MSG_NOSIGNAL), "send");
        });
        fresh<Runtime> made;
        Runtime& runtime = made.runtime;
        const auto seen =
            run_root(runtime, [&] { return read_late_and_early(runtime, listener.get()); });
        expect_equal(seen.late.error, ETIMEDOUT, "error of a read from a silent client");
        expect(seen.lateness >= nanoseconds(0),
               text("it ended ", -seen.lateness.count(), " ns early"), "now() >= deadline");
        expect_equal(seen.hopeless.error, ETIMEDOUT, "error of a read whose deadline has passed");
        expect_equal(seen.early.bytes, 1U, "bytes read afterwards");
        client.expect_success();
    }
}

/// Sends `size` bytes, two after each pause of some microseconds, and then the end.
inline void drip(std::uint16_t port, std::size_t size) {
    const unique_descriptor server = connect_narrowly(port);
    set_no_delay(server.get());
    for (std::size_t i = 0; i < size; ++i) {
        const std::byte next = byte_at(i);
        check_errno(::send(server.get(), &next, 1, MSG_NOSIGNAL), "send");
        if (i % 2 == 1) std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
}

/// Reads with deadlines until the end; every read, in order.
template <stackless_runtime Runtime>
task_of<Runtime, std::vector<timed_read>> read_in_a_hurry(Runtime& runtime, int listener) {
    const int connection = co_await runtime.accept(listener);
    std::vector<timed_read> all;
    do {
        const time_point soon = runtime.now() + std::chrono::microseconds(50);
        const timed_read next = co_await try_to_read(runtime, connection, soon);
        all.push_back(next);
    } while (all.back().bytes != 0 || all.back().error == ETIMEDOUT);
    co_await runtime.close(connection);
    co_return all;
}

template <direct_runtime Runtime>
task_of<Runtime, std::vector<timed_read>> read_in_a_hurry(Runtime& runtime, int listener) {
    const int connection = runtime.accept(listener);
    std::vector<timed_read> all;
    do {
        const time_point soon = runtime.now() + std::chrono::microseconds(50);
        const timed_read next = try_to_read(runtime, connection, soon);
        all.push_back(next);
    } while (all.back().bytes != 0 || all.back().error == ETIMEDOUT);
    runtime.close(connection);
    return all;
}

template <any_runtime Runtime>
void stochastic_read_ends_once_with_its_bytes_or_by_its_deadline() {
    require_deadlines<Runtime>();
    if constexpr (timed_runtime<Runtime>) {
        constexpr std::size_t size = 400;
        const unique_descriptor listener = open_listener(endpoint{});
        client_process client([&] { drip(port_of(listener), size); });
        fresh<Runtime> made;
        Runtime& runtime = made.runtime;
        const auto reads =
            run_root(runtime, [&] { return read_in_a_hurry(runtime, listener.get()); });
        std::size_t bytes = 0;
        for (const timed_read& each : reads) {
            expect(each.bytes == 0 || each.first == byte_at(bytes),
                   text("byte ", bytes, " is another one"), "the byte that was sent");
            bytes += each.bytes;
        }
        expect_equal(reads.back().error, 0, "error of the last read");
        expect_equal(bytes, size, "bytes read against deadlines");
        client.expect_success();
    }
}

/// Reads a byte by a deadline, and then another after that deadline, without one.
template <stackless_runtime Runtime>
task_of<Runtime, int> error_after_a_deadline_that_was_kept(Runtime& runtime, int listener) {
    const int connection = co_await runtime.accept(listener);
    timed_read first;
    while (first.bytes == 0) {
        const time_point deadline = runtime.now() + std::chrono::milliseconds(20);
        first = co_await try_to_read(runtime, connection, deadline);
    }
    std::array<std::byte, 1> buffer{};
    int error = 0;
    try {
        co_await runtime.read(connection, buffer);
    } catch (const std::system_error& failure) {
        error = failure.code().value();
    }
    co_await runtime.close(connection);
    co_return error;
}

template <direct_runtime Runtime>
task_of<Runtime, int> error_after_a_deadline_that_was_kept(Runtime& runtime, int listener) {
    const int connection = runtime.accept(listener);
    timed_read first;
    while (first.bytes == 0) {
        const time_point deadline = runtime.now() + std::chrono::milliseconds(20);
        first = try_to_read(runtime, connection, deadline);
    }
    std::array<std::byte, 1> buffer{};
    int error = 0;
    try {
        runtime.read(connection, buffer);
    } catch (const std::system_error& failure) {
        error = failure.code().value();
    }
    runtime.close(connection);
    return error;
}

template <any_runtime Runtime>
void required_deadline_that_was_kept_leaves_nothing_behind() {
    require_deadlines<Runtime>();
    if constexpr (timed_runtime<Runtime>) {
        const unique_descriptor listener = open_listener(endpoint{});
        client_process client([&] {
            const unique_descriptor server = connect_narrowly(port_of(listener));
            check_errno(::send(server.get(), "a", 1, MSG_NOSIGNAL), "send");
            std::this_thread::sleep_for(std::chrono::milliseconds(60));
            check_errno(::send(server.get(), "b", 1, MSG_NOSIGNAL), "send");
        });
        fresh<Runtime> made;
        Runtime& runtime = made.runtime;
        const int error = run_root(
            runtime, [&] { return error_after_a_deadline_that_was_kept(runtime, listener.get()); });
        expect_equal(error, 0, "error of a read without a deadline, after one that kept its own");
        client.expect_success();
    }
}

/// Errors of an accept that nobody comes for, and of a connect and an accept that have time.
using connection_errors = std::array<int, 3>;

template <stackless_runtime Runtime>
task_of<Runtime, connection_errors> connect_with_deadlines(Runtime& runtime, int listener,
                                                           endpoint where) {
    connection_errors errors{};
    std::array<int, 3> opened{-1, -1, -1};
    for (std::size_t step = 0; step < errors.size(); ++step) {
        const auto patience =
            step == 0 ? std::chrono::milliseconds(5) : std::chrono::milliseconds(60'000);
        const time_point deadline = runtime.now() + patience;
        try {
            if (step == 1) {
                opened[step] = co_await runtime.connect(where, deadline);
            } else {
                opened[step] = co_await runtime.accept(listener, deadline);
            }
        } catch (const std::system_error& error) {
            errors[step] = error.code().value();
        }
    }
    for (const int each : opened) {
        if (each >= 0) co_await runtime.close(each);
    }
    co_return errors;
}

template <direct_runtime Runtime>
task_of<Runtime, connection_errors> connect_with_deadlines(Runtime& runtime, int listener,
                                                           endpoint where) {
    connection_errors errors{};
    std::array<int, 3> opened{-1, -1, -1};
    for (std::size_t step = 0; step < errors.size(); ++step) {
        const auto patience =
            step == 0 ? std::chrono::milliseconds(5) : std::chrono::milliseconds(60'000);
        const time_point deadline = runtime.now() + patience;
        try {
            if (step == 1) {
                opened[step] = runtime.connect(where, deadline);
            } else {
                opened[step] = runtime.accept(listener, deadline);
            }
        } catch (const std::system_error& error) {
            errors[step] = error.code().value();
        }
    }
    for (const int each : opened) {
        if (each >= 0) runtime.close(each);
    }
    return errors;
}

template <any_runtime Runtime>
void required_accept_and_connect_have_deadlines() {
    require_deadlines<Runtime>();
    if constexpr (timed_runtime<Runtime>) {
        const unique_descriptor listener = open_listener(endpoint{});
        const endpoint where(port_of(listener));
        fresh<Runtime> made;
        Runtime& runtime = made.runtime;
        const auto errors = run_root(
            runtime, [&] { return connect_with_deadlines(runtime, listener.get(), where); });
        expect_equal(errors[0], ETIMEDOUT, "error of an accept that nobody comes for");
        expect_equal(errors[1], 0, "error of a connect with time enough");
        expect_equal(errors[2], 0, "error of an accept with time enough");
    }
}

template <any_runtime Runtime>
std::vector<rule> runtime_deadline_rules() {
    return {
        rule_of<required_read_ends_when_its_deadline_comes<Runtime>>(
            "with a deadline, a read that still waits as it comes throws std::errc::timed_out; the "
            "connection can be used on",
            runtime_contract),
        rule_of<stochastic_read_ends_once_with_its_bytes_or_by_its_deadline<Runtime>>(
            "a read that ends by its deadline has taken no byte", runtime_contract),
        rule_of<required_deadline_that_was_kept_leaves_nothing_behind<Runtime>>(
            "a deadline is one call's", runtime_contract),
        rule_of<required_accept_and_connect_have_deadlines<Runtime>>(
            "with a deadline, accept and connect throw std::errc::timed_out when they still wait "
            "as it "
            "comes",
            runtime_contract),
    };
}

}  // namespace overlap::conformance
