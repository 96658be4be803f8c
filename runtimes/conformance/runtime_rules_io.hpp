// Rules of every runtime: connections, and that errors of I/O surface.
#pragma once

#include <overlap/conformance/clients.hpp>
#include <overlap/conformance/runtime_tasks.hpp>
#include <overlap/conformance/streams.hpp>

#include <algorithm>
#include <span>

namespace overlap::conformance {

/// Accepts one connection and sends back what it reads until the client has no more; how many bytes
/// that was.
template <stackless_runtime Runtime>
task_of<Runtime, std::size_t> echo_one(Runtime& runtime, int listener) {
    const int connection = co_await runtime.accept(listener);
    std::array<std::byte, 16'384> buffer;
    std::size_t total = 0;
    for (;;) {
        const std::size_t size = co_await runtime.read(connection, buffer);
        if (size == 0) break;
        co_await runtime.write(connection, std::span(buffer).first(size));
        total += size;
    }
    co_await runtime.close(connection);
    co_return total;
}

template <direct_runtime Runtime>
task_of<Runtime, std::size_t> echo_one(Runtime& runtime, int listener) {
    const int connection = runtime.accept(listener);
    std::array<std::byte, 16'384> buffer;
    std::size_t total = 0;
    for (;;) {
        const std::size_t size = runtime.read(connection, buffer);
        if (size == 0) break;
        runtime.write(connection, std::span(buffer).first(size));
        total += size;
    }
    runtime.close(connection);
    return total;
}

template <stackless_runtime Runtime>
task_of<Runtime, std::vector<std::size_t>> gather_echoes(Runtime& runtime, std::size_t n,
                                                         int listener) {
    co_return co_await runtime.gather(
        n, [&runtime, listener](std::size_t) { return echo_one(runtime, listener); });
}

template <direct_runtime Runtime>
task_of<Runtime, std::vector<std::size_t>> gather_echoes(Runtime& runtime, std::size_t n,
                                                         int listener) {
    return runtime.gather(
        n, [&runtime, listener](std::size_t) { return echo_one(runtime, listener); });
}

/// Echoes what clients of these sizes send, one client after another; a client that ends before it
/// has got every byte back ends with a status that says why.
template <any_runtime Runtime>
void expect_echo(const std::vector<std::size_t>& sizes) {
    const unique_descriptor listener = open_listener(endpoint{});
    client_process clients([&] { exchange_each(port_of(listener), sizes); });
    fresh<Runtime> made;
    Runtime& runtime = made.runtime;
    auto totals =
        run_root(runtime, [&] { return gather_echoes(runtime, sizes.size(), listener.get()); });
    clients.expect_success();
    // Which task accepts which connection is nobody's promise.
    auto expected = sizes;
    std::ranges::sort(expected);
    std::ranges::sort(totals);
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        expect_equal(totals[i], expected[i], "bytes echoed on a connection");
    }
}

template <any_runtime Runtime>
void required_bytes_come_back_intact() {
    expect_echo<Runtime>({1, 64, 5'000, 16'384, 100'000});
}

template <any_runtime Runtime>
void required_long_writes_go_on_until_all_is_sent() {
    expect_echo<Runtime>({std::size_t{1} << 20U});
}

template <any_runtime Runtime>
void required_end_of_file_is_zero() {
    expect_echo<Runtime>({0, 0, 0});
}

/// Accepts one connection and reads until its end; how many bytes that was.
template <stackless_runtime Runtime>
task_of<Runtime, std::size_t> receive_all(Runtime& runtime, int listener) {
    const int connection = co_await runtime.accept(listener);
    std::array<std::byte, 64> buffer;
    std::size_t total = 0;
    for (;;) {
        const std::size_t size = co_await runtime.read(connection, buffer);
        if (size == 0) break;
        total += size;
    }
    co_await runtime.close(connection);
    co_return total;
}

template <direct_runtime Runtime>
task_of<Runtime, std::size_t> receive_all(Runtime& runtime, int listener) {
    const int connection = runtime.accept(listener);
    std::array<std::byte, 64> buffer;
    std::size_t total = 0;
    for (;;) {
        const std::size_t size = runtime.read(connection, buffer);
        if (size == 0) break;
        total += size;
    }
    runtime.close(connection);
    return total;
}

/// Even tasks connect and send, odd ones accept and receive; how many bytes that was. A runtime
/// with one task in flight can do it too: a connection waits in the listener's queue.
template <stackless_runtime Runtime>
task_of<Runtime, std::size_t> send_or_receive(Runtime& runtime, int listener, endpoint where,
                                              std::size_t index) {
    if (index % 2 == 1) co_return co_await receive_all(runtime, listener);
    const std::array<std::byte, 100> bytes{};
    const int connection = co_await runtime.connect(where);
    co_await runtime.write(connection, bytes);
    co_await runtime.close(connection);
    co_return bytes.size();
}

template <direct_runtime Runtime>
task_of<Runtime, std::size_t> send_or_receive(Runtime& runtime, int listener, endpoint where,
                                              std::size_t index) {
    if (index % 2 == 1) return receive_all(runtime, listener);
    const std::array<std::byte, 100> bytes{};
    const int connection = runtime.connect(where);
    runtime.write(connection, bytes);
    runtime.close(connection);
    return bytes.size();
}

template <stackless_runtime Runtime>
task_of<Runtime, std::vector<std::size_t>> gather_pairs(Runtime& runtime, std::size_t n,
                                                        int listener, endpoint where) {
    co_return co_await runtime.gather(n, [&runtime, listener, where](std::size_t index) {
        return send_or_receive(runtime, listener, where, index);
    });
}

template <direct_runtime Runtime>
task_of<Runtime, std::vector<std::size_t>> gather_pairs(Runtime& runtime, std::size_t n,
                                                        int listener, endpoint where) {
    return runtime.gather(n, [&runtime, listener, where](std::size_t index) {
        return send_or_receive(runtime, listener, where, index);
    });
}

/// The errno value with which a connection to `where` fails; 0 when it succeeds.
template <stackless_runtime Runtime>
task_of<Runtime, int> error_of_connect(Runtime& runtime, endpoint where) {
    try {
        const int connection = co_await runtime.connect(where);
        co_await runtime.close(connection);
        co_return 0;
    } catch (const std::system_error& error) {
        co_return error.code().value();
    }
}

template <direct_runtime Runtime>
task_of<Runtime, int> error_of_connect(Runtime& runtime, endpoint where) {
    try {
        const int connection = runtime.connect(where);
        runtime.close(connection);
        return 0;
    } catch (const std::system_error& error) {
        return error.code().value();
    }
}

template <stackless_runtime Runtime>
task_of<Runtime, std::vector<int>> gather_connect_errors(Runtime& runtime, std::size_t n,
                                                         endpoint where) {
    co_return co_await runtime.gather(
        n, [&runtime, where](std::size_t) { return error_of_connect(runtime, where); });
}

template <direct_runtime Runtime>
task_of<Runtime, std::vector<int>> gather_connect_errors(Runtime& runtime, std::size_t n,
                                                         endpoint where) {
    return runtime.gather(
        n, [&runtime, where](std::size_t) { return error_of_connect(runtime, where); });
}

template <any_runtime Runtime>
void required_connect_reaches_a_listener() {
    const unique_descriptor listener = open_listener(endpoint{});
    const endpoint where(port_of(listener));
    fresh<Runtime> made;
    Runtime& runtime = made.runtime;
    const auto handled =
        run_root(runtime, [&] { return gather_pairs(runtime, 8, listener.get(), where); });
    for (const std::size_t bytes : handled) expect_equal(bytes, 100U, "bytes sent or received");
}

template <any_runtime Runtime>
void required_refused_connection_is_an_error() {
    const endpoint nobody(port_of(open_listener(endpoint{})));  // Which is closed again here.
    fresh<Runtime> made;
    Runtime& runtime = made.runtime;
    const auto errors =
        run_root(runtime, [&] { return gather_connect_errors(runtime, 3, nobody); });
    for (const int error : errors) expect_equal(error, ECONNREFUSED, "error of connect");
}

/// The errno value with which the call fails that `index` stands for; 0 when it succeeds. Each has
/// a descriptor of its own, as none may be closed while another call uses it.
template <stackless_runtime Runtime>
task_of<Runtime, int> error_on_closed_descriptor(Runtime& runtime, int first, std::size_t index) {
    const int closed = first + static_cast<int>(index);
    std::array<std::byte, 16> bytes{};
    try {
        if (index == 0) co_await runtime.read(closed, bytes);
        if (index == 1) co_await runtime.write(closed, bytes);
        if (index == 2) co_await runtime.accept(closed);
        if (index == 3) co_await runtime.close(closed);
        co_return 0;
    } catch (const std::system_error& error) {
        co_return error.code().value();
    }
}

template <direct_runtime Runtime>
task_of<Runtime, int> error_on_closed_descriptor(Runtime& runtime, int first, std::size_t index) {
    const int closed = first + static_cast<int>(index);
    std::array<std::byte, 16> bytes{};
    try {
        if (index == 0) runtime.read(closed, bytes);
        if (index == 1) runtime.write(closed, bytes);
        if (index == 2) runtime.accept(closed);
        if (index == 3) runtime.close(closed);
        return 0;
    } catch (const std::system_error& error) {
        return error.code().value();
    }
}

template <stackless_runtime Runtime>
task_of<Runtime, std::vector<int>> gather_errors_on_closed_descriptor(Runtime& runtime,
                                                                      std::size_t n, int first) {
    co_return co_await runtime.gather(n, [&runtime, first](std::size_t index) {
        return error_on_closed_descriptor(runtime, first, index);
    });
}

template <direct_runtime Runtime>
task_of<Runtime, std::vector<int>> gather_errors_on_closed_descriptor(Runtime& runtime,
                                                                      std::size_t n, int first) {
    return runtime.gather(n, [&runtime, first](std::size_t index) {
        return error_on_closed_descriptor(runtime, first, index);
    });
}

template <any_runtime Runtime>
void required_errors_of_descriptors_surface() {
    constexpr int first = 12'345;
    fresh<Runtime> made;
    Runtime& runtime = made.runtime;
    const auto errors =
        run_root(runtime, [&] { return gather_errors_on_closed_descriptor(runtime, 4, first); });
    for (std::size_t index = 0; index < errors.size(); ++index) {
        expect_equal(errors[index], EBADF, text("error of call ", index, " on no descriptor"));
    }
}

/// Accepts, and writes until that fails; the errno value.
template <stackless_runtime Runtime>
task_of<Runtime, int> error_of_endless_write(Runtime& runtime, int listener) {
    const int connection = co_await runtime.accept(listener);
    const std::array<std::byte, 16'384> bytes{};
    int code = 0;
    try {
        for (;;) co_await runtime.write(connection, bytes);
    } catch (const std::system_error& error) {
        code = error.code().value();
    }
    co_await runtime.close(connection);
    co_return code;
}

template <direct_runtime Runtime>
task_of<Runtime, int> error_of_endless_write(Runtime& runtime, int listener) {
    const int connection = runtime.accept(listener);
    const std::array<std::byte, 16'384> bytes{};
    int code = 0;
    try {
        for (;;) runtime.write(connection, bytes);
    } catch (const std::system_error& error) {
        code = error.code().value();
    }
    runtime.close(connection);
    return code;
}

template <stackless_runtime Runtime>
task_of<Runtime, std::vector<int>> gather_endless_writes(Runtime& runtime, std::size_t n,
                                                         int listener) {
    co_return co_await runtime.gather(
        n, [&runtime, listener](std::size_t) { return error_of_endless_write(runtime, listener); });
}

template <direct_runtime Runtime>
task_of<Runtime, std::vector<int>> gather_endless_writes(Runtime& runtime, std::size_t n,
                                                         int listener) {
    return runtime.gather(
        n, [&runtime, listener](std::size_t) { return error_of_endless_write(runtime, listener); });
}

template <any_runtime Runtime>
void required_writing_to_nobody_is_an_error() {
    constexpr std::size_t connections = 3;
    const unique_descriptor listener = open_listener(endpoint{});
    client_process clients([&] {
        for (std::size_t i = 0; i < connections; ++i) hang_up(port_of(listener));
    });
    fresh<Runtime> made;
    Runtime& runtime = made.runtime;
    const auto errors = run_root(
        runtime, [&] { return gather_endless_writes(runtime, connections, listener.get()); });
    clients.expect_success();
    for (const int error : errors) {
        expect(error == EPIPE || error == ECONNRESET, text("write failed with ", error),
               "EPIPE or ECONNRESET, and no signal");
    }
}

template <stackless_runtime Runtime>
task_of<Runtime, void> use_descriptors(Runtime& runtime, int listener, endpoint where,
                                       endpoint nobody) {
    co_await gather_echoes(runtime, 4, listener);
    co_await gather_connect_errors(runtime, 4, nobody);
    const int connection = co_await runtime.connect(where);
    co_await runtime.close(connection);
}

template <direct_runtime Runtime>
task_of<Runtime, void> use_descriptors(Runtime& runtime, int listener, endpoint where,
                                       endpoint nobody) {
    gather_echoes(runtime, 4, listener);
    gather_connect_errors(runtime, 4, nobody);
    const int connection = runtime.connect(where);
    runtime.close(connection);
}

template <any_runtime Runtime>
void required_no_descriptor_is_left_open() {
    const unique_descriptor listener = open_listener(endpoint{});
    const endpoint where(port_of(listener));
    const endpoint nobody(port_of(open_listener(endpoint{})));
    const auto before = count_descriptors();
    {
        client_process clients([&] {
            for (int i = 0; i < 4; ++i) exchange_bytes(where.port(), 1'000);
        });
        fresh<Runtime> made;
        Runtime& runtime = made.runtime;
        run_root(runtime, [&] { return use_descriptors(runtime, listener.get(), where, nobody); });
        clients.expect_success();
    }
    expect_equal(count_descriptors(), before, "open descriptors after the runtime has gone");
}

template <any_runtime Runtime>
std::vector<rule> runtime_io_rules() {
    return {
        rule_of<required_bytes_come_back_intact<Runtime>>(
            "read returns at most as many bytes as asked for; write sends all of them",
            runtime_contract),
        rule_of<required_long_writes_go_on_until_all_is_sent<Runtime>>(
            "write sends all the bytes, however many steps that takes", runtime_contract),
        rule_of<required_end_of_file_is_zero<Runtime>>("read returns 0 at end of file",
                                                       runtime_contract),
        rule_of<required_connect_reaches_a_listener<Runtime>>(
            "connect returns a new connection's descriptor, which the caller must close",
            runtime_contract),
        rule_of<required_refused_connection_is_an_error<Runtime>>(
            "errors of the operating system are std::system_error", runtime_contract),
        rule_of<required_errors_of_descriptors_surface<Runtime>>(
            "errors of the operating system are std::system_error", runtime_contract),
        rule_of<required_writing_to_nobody_is_an_error<Runtime>>(
            "errors of the operating system are std::system_error, never signals",
            runtime_contract),
        rule_of<required_no_descriptor_is_left_open<Runtime>>(
            "a runtime closes all that it has opened when it is destroyed", runtime_contract),
    };
}

}  // namespace overlap::conformance
