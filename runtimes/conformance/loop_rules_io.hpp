// Rules of every loop that does I/O: each kind of operation, its errors, and many at once.
#pragma once

#include <overlap/conformance/probes.hpp>
#include <overlap/conformance/streams.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace overlap::conformance {

/// One ready operation of each kind: whatever is submitted need not wait.
struct ready_operations {
    stream_pair stream;
    stream_pair spacious;
    stream_pair doomed;
    unique_descriptor listener = open_listener(endpoint{});
    unique_descriptor queued = connect_to(listener);
    unique_descriptor socket = open_tcp();
    endpoint where{port_of(listener)};
    char byte = 0;
    io_probe reading{operation_kind::read, stream.near.get(), &byte, 1};
    io_probe writing{operation_kind::write, spacious.near.get(), "x", 1};
    io_probe accepting{operation_kind::accept, listener.get()};
    io_probe connecting{operation_kind::connect, socket.get(), where.data(), endpoint::size()};
    io_probe closing{operation_kind::close, doomed.near.release()};
    io_probe failing{operation_kind::read, -1, &byte, 1};
    unique_descriptor accepted;

    ready_operations() { send_all(stream.far, "x"); }

    /// Submits all of them; returns how many completed meanwhile.
    template <event_loop Loop>
    int submit_to(Loop& loop) {
        for (auto* op : {&reading, &writing, &accepting, &connecting, &closing, &failing}) {
            loop.submit(op);
        }
        return reading.completions + writing.completions + accepting.completions +
               connecting.completions + closing.completions + failing.completions;
    }

    template <event_loop Loop>
    void run_until_complete_on(Loop& loop) {
        run_until_complete(loop, reading, writing, accepting, connecting, closing, failing);
        accepted = unique_descriptor(accepting.result);
    }
};

template <event_loop Loop>
void required_submit_never_completes_inside_the_call() {
    ready_operations outside;
    ready_operations inside;
    post_probe submitter;
    int during = 0;
    Loop loop;
    submitter.then = [&] { during = inside.submit_to(loop); };
    const int before_run = outside.submit_to(loop);
    loop.post(&submitter);
    run_until_complete(loop, submitter);
    inside.run_until_complete_on(loop);
    outside.run_until_complete_on(loop);
    expect_equal(before_run, 0, "operations that completed inside submit(), before run()");
    expect_equal(during, 0, "operations that completed inside submit(), called from a `done`");
}

template <event_loop Loop>
void required_read_and_write_carry_bytes() {
    stream_pair stream;
    std::array<char, 16> buffer{};
    io_probe reading(operation_kind::read, stream.near.get(), buffer.data(), buffer.size());
    io_probe writing(operation_kind::write, stream.near.get(), "ping", 4);
    Loop loop;
    loop.submit(&writing);
    run_until_complete(loop, writing);
    expect_result(writing, 4, "a write of 4 bytes");
    expect_equal(receive_available(stream.far), "ping", "bytes that arrived");
    loop.submit(&reading);
    send_all(stream.far, "pong!");
    run_until_complete(loop, reading);
    expect_result(reading, 5, "a read of at most 16 bytes when 5 had arrived");
    expect_equal(std::string(buffer.data(), 5), "pong!", "bytes that were read");
}

template <event_loop Loop>
void required_end_of_file_is_zero() {
    stream_pair already;
    stream_pair later;
    stream_pair after_data;
    char byte = 0;
    io_probe at_once(operation_kind::read, already.near.get(), &byte, 1);
    io_probe waiting(operation_kind::read, later.near.get(), &byte, 1);
    io_probe data(operation_kind::read, after_data.near.get(), &byte, 1);
    io_probe end(operation_kind::read, after_data.near.get(), &byte, 1);
    io_probe half_open(operation_kind::write, already.near.get(), "x", 1);
    Loop loop;
    ::shutdown(already.far.get(), SHUT_WR);
    send_all(after_data.far, "x");
    after_data.far = unique_descriptor();
    loop.submit(&at_once);
    loop.submit(&waiting);
    loop.submit(&data);
    settle(loop);
    { const unique_descriptor closes = std::move(later.far); }
    run_until_complete(loop, at_once, waiting, data);
    loop.submit(&end);
    loop.submit(&half_open);
    run_until_complete(loop, end, half_open);
    expect_result(at_once, 0, "a read after the peer had closed");
    expect_result(waiting, 0, "a read that waited when the peer closed");
    expect_result(data, 1, "a read of the byte that came before the end");
    expect_result(end, 0, "the read after that byte");
    expect_result(half_open, 1, "a write to a peer that only sends no more");
}

template <event_loop Loop>
void required_errors_are_results() {
    constexpr int never_open = 1 << 19;
    tcp_pair reset;
    stream_pair gone;
    stream_pair full;
    const unique_descriptor not_a_listener = open_tcp();
    char byte = 0;
    io_probe bad_read(operation_kind::read, -1, &byte, 1);
    io_probe closed_read(operation_kind::read, never_open + 1, &byte, 1);
    io_probe bad_write(operation_kind::write, never_open, "x", 1);
    io_probe bad_close(operation_kind::close, never_open + 2);
    io_probe bad_accept(operation_kind::accept, not_a_listener.get());
    io_probe after_reset(operation_kind::read, reset.near.get(), &byte, 1);
    io_probe after_close(operation_kind::write, gone.near.get(), "x", 1);
    io_probe while_full(operation_kind::write, full.near.get(), "x", 1);
    Loop loop;
    const linger abort{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(reset.far.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
    fill(full.near);
    for (auto* op : {&bad_read, &closed_read, &bad_write, &bad_close, &bad_accept, &after_reset,
                     &while_full}) {
        loop.submit(op);
    }
    settle(loop);
    { const std::array closed{std::move(reset.far), std::move(gone.far), std::move(full.far)}; }
    loop.submit(&after_close);
    run_until_complete(loop, bad_read, closed_read, bad_write, bad_close, bad_accept, after_reset,
                       after_close, while_full);
    expect_result(bad_read, -EBADF, "a read from descriptor -1");
    expect_result(closed_read, -EBADF, "a read from a descriptor that is not open");
    expect_result(bad_write, -EBADF, "a write to a descriptor that is not open");
    expect_result(bad_close, -EBADF, "a close of a descriptor that is not open");
    expect_result_among(bad_accept, {-EINVAL, -EOPNOTSUPP}, "an accept on what does not listen");
    expect_result(after_reset, -ECONNRESET, "a read from a connection that the peer reset");
    expect_result(after_close, -EPIPE, "a write to a peer that had closed");
    expect_result_among(while_full, {-EPIPE, -ECONNRESET}, "a write waiting when the peer closed");
}

template <event_loop Loop>
void required_connect_succeeds_or_is_refused() {
    const unique_descriptor listener = open_listener(endpoint{});
    // Bound but not listening: nobody else can listen there meanwhile.
    const unique_descriptor deaf = open_tcp();
    check_errno(::bind(deaf.get(), endpoint{}.data(), endpoint::size()), "bind");
    const endpoint open(port_of(listener));
    const endpoint shut(port_of(deaf));
    const unique_descriptor welcome = open_tcp();
    const unique_descriptor unwelcome = open_tcp();
    io_probe succeeding(operation_kind::connect, welcome.get(), open.data(), endpoint::size());
    io_probe refused(operation_kind::connect, unwelcome.get(), shut.data(), endpoint::size());
    Loop loop;
    loop.submit(&succeeding);
    loop.submit(&refused);
    run_until_complete(loop, succeeding, refused);
    expect_result(succeeding, 0, "a connect to a listener");
    expect_result(refused, -ECONNREFUSED, "a connect to a port where nobody listens");
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    expect(::getpeername(welcome.get(), reinterpret_cast<sockaddr*>(&peer), &size) == 0,
           "a socket without a peer after connect completed with 0", "a connected socket");
}

template <event_loop Loop>
void required_accepted_descriptors_are_non_blocking_and_close_on_exec() {
    const unique_descriptor listener = open_listener(endpoint{});
    io_probe accepting(operation_kind::accept, listener.get());
    Loop loop;
    loop.submit(&accepting);
    const unique_descriptor client = connect_to(listener);
    run_until_complete(loop, accepting);
    const unique_descriptor accepted(accepting.result);
    expect(accepted.get() >= 0, text("an accept of ", describe_result(accepting.result)),
           "a descriptor");
    expect((::fcntl(accepted.get(), F_GETFL) & O_NONBLOCK) != 0, "a blocking connection",
           "a non-blocking one");
    expect((::fcntl(accepted.get(), F_GETFD) & FD_CLOEXEC) != 0,
           "a connection that a program started later would inherit", "close-on-exec");
}

template <event_loop Loop>
void required_many_accepts_wait_on_one_listener() {
    constexpr std::size_t count = 64;
    const unique_descriptor listener = open_listener(endpoint{});
    std::vector<unique_descriptor> clients;
    clients.reserve(count);
    std::vector<unique_descriptor> accepted(count);
    std::deque<io_probe> accepting;
    std::vector<std::size_t> order;
    Loop loop;
    for (std::size_t i = 0; i < count; ++i) {
        auto& op = accepting.emplace_back(operation_kind::accept, listener.get());
        op.then = [&, i] {
            order.push_back(i);
            accepted[i] = unique_descriptor(op.result);
        };
        loop.submit(&op);
    }
    settle(loop);
    for (std::size_t i = 0; i < count; ++i) clients.push_back(connect_to(listener));
    run_until_all_complete(loop, accepting);
    expect(std::ranges::is_sorted(order), "accepts completed in another order than was asked",
           "accepts complete in the order of the calls");
    for (std::size_t i = 0; i < count; ++i) {
        send_all(clients[i], text(i));
        expect(is_ready(accepted[i].get(), POLLIN), "no byte on an accepted connection",
               "connections in the order in which they were made");
        expect_equal(receive_available(accepted[i]), text(i), "connection that an accept got");
    }
}

template <event_loop Loop>
void required_read_and_write_wait_on_one_descriptor() {
    stream_pair stream;
    char byte = 0;
    io_probe reading(operation_kind::read, stream.near.get(), &byte, 1);
    io_probe writing(operation_kind::write, stream.near.get(), "x", 1);
    Loop loop;
    fill(stream.near);
    loop.submit(&reading);
    loop.submit(&writing);
    settle(loop);
    expect_equal(reading.completions + writing.completions, 0,
                 "completions with nothing to read and no room to write");
    send_all(stream.far, "y");
    run_until_complete(loop, reading);
    expect_result(reading, 1, "a read beside a waiting write");
    settle(loop);
    expect_equal(writing.completions, 0, "completions of the write, which still has no room");
    // The kernel may make the write as soon as there is room, in the middle of this.
    std::string arrived = receive_available(stream.far);
    run_until_complete(loop, writing);
    expect_result(writing, 1, "a write after the peer made room");
    arrived += receive_available(stream.far);
    expect_equal(arrived.back(), 'x', "last byte that arrived");
    expect_equal(std::ranges::count(arrived, 'x'), 1, "times that it arrived");
}

/// Byte number `at` of a long message: a period that no buffer size is a multiple of.
[[nodiscard]] inline char pattern(std::size_t at) { return static_cast<char>(at % 251); }

template <event_loop Loop>
void required_long_message_arrives_whole_through_short_writes() {
    constexpr std::size_t size = 4U << 20;
    tcp_pair stream;
    std::string message(size, '\0');
    std::array<char, 30'011> buffer{};
    for (std::size_t i = 0; i < size; ++i) message[i] = pattern(i);
    io_probe writing(operation_kind::write, stream.near.get(), message.data(), size);
    io_probe reading(operation_kind::read, stream.far.get(), buffer.data(), buffer.size());
    timer_probe patrol;
    std::size_t received = 0;
    std::size_t received_before = 0;
    std::size_t wrong = 0;
    int error = 0;
    Loop loop;
    writing.then = [&] {
        if (writing.result < 0) error = writing.result;
        const auto sent = static_cast<std::size_t>(std::max(writing.result, 0));
        writing.data = static_cast<char*>(writing.data) + sent;
        writing.size -= std::min(sent, writing.size);
        if (error == 0 && writing.size > 0) return loop.submit(&writing);
        if (received < size) loop.call_at(&patrol, loop.now() + std::chrono::seconds(1));
    };
    // Once all is said to be written, bytes that are missing for a second will not come.
    patrol.then = [&] {
        if (std::exchange(received_before, received) == received) return loop.stop();
        loop.call_at(&patrol, loop.now() + std::chrono::seconds(1));
    };
    reading.then = [&] {
        if (reading.result < 0) error = reading.result;
        if (reading.result <= 0) return loop.stop();
        for (std::size_t i = 0; i < static_cast<std::size_t>(reading.result); ++i, ++received) {
            wrong += buffer[i] != pattern(received);
        }
        if (received == size) return loop.stop();
        loop.submit(&reading);
    };
    loop.submit(&writing);
    loop.submit(&reading);
    loop.run();
    expect_equal(error, 0, "error of a write or a read");
    expect_equal(received, size, "bytes that arrived");
    expect_equal(wrong, 0U, "bytes that were not as sent");
}

template <event_loop Loop>
void required_io_wakes_a_sleeping_loop() {
    stream_pair stream;
    timer_probe far;
    char byte = 0;
    io_probe reading(operation_kind::read, stream.near.get(), &byte, 1);
    Loop loop;
    loop.call_at(&far, loop.now() + std::chrono::hours(1));
    loop.submit(&reading);
    const std::jthread peer([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        send_all(stream.far, "x");
    });
    run_until_complete(loop, reading);
    expect_result(reading, 1, "a read that waited with the loop asleep");
}

template <event_loop Loop>
void required_remote_post_wakes_a_loop_that_waits_for_io() {
    stream_pair stream;
    char byte = 0;
    io_probe reading(operation_kind::read, stream.near.get(), &byte, 1);
    post_probe wake;
    Loop loop;
    loop.submit(&reading);
    const std::jthread other([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        loop.post_remote(&wake);
    });
    run_until_complete(loop, wake);
    expect_equal(reading.completions, 0, "completions of a read from a silent peer");
}

template <event_loop Loop>
void required_io_completes_while_an_operation_reposts_itself() {
    stream_pair stream;
    char byte = 0;
    io_probe reading(operation_kind::read, stream.near.get(), &byte, 1);
    post_probe busy;
    Loop loop;
    busy.then = [&] {
        if (reading.completions == 0) loop.post(&busy);
    };
    loop.submit(&reading);
    loop.post(&busy);
    const std::jthread peer([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        send_all(stream.far, "x");
    });
    run_until_complete(loop, reading);
    expect_result(reading, 1, "a read beside an operation that keeps posting itself");
}

template <event_loop Loop>
void required_due_io_goes_before_posts_that_compute() {
    stream_pair stream;
    char byte = 0;
    io_probe reading(operation_kind::read, stream.near.get(), &byte, 1);
    slow_posts slow;
    Loop loop;
    loop.submit(&reading);
    slow.post_before(loop, reading.then);
    send_all(stream.far, "x");
    run_until_all_complete(loop, slow.all());
    run_until_complete(loop, reading);
    slow.expect_before(4, "a read of what is there");
}

template <event_loop Loop>
void required_many_descriptors_at_once() {
    constexpr std::size_t wanted = 1'000;
    constexpr std::size_t reserve = 64;
    const std::size_t count = std::min(wanted, (raise_descriptor_limit() - reserve) / 2);
    std::vector<stream_pair> streams(count);
    std::vector<char> bytes(count);
    std::deque<io_probe> reading;
    Loop loop;
    for (std::size_t i = 0; i < count; ++i) {
        loop.submit(
            &reading.emplace_back(operation_kind::read, streams[i].near.get(), &bytes[i], 1U));
    }
    settle(loop);
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t which = count - 1 - i;
        const char byte = pattern(which);
        send_all(streams[which].far, {&byte, 1});
    }
    run_until_all_complete(loop, reading);
    for (std::size_t i = 0; i < count; ++i) {
        expect_result(reading[i], 1, "a read on one of many descriptors");
        expect_equal(+bytes[i], +pattern(i), text("byte from descriptor number ", i));
    }
}

template <event_loop Loop>
std::vector<rule> io_rules() {
    constexpr auto where = loop_contract;
    constexpr std::string_view in_order = "Any number of accepts may wait on one descriptor; they "
                                          "complete in the order of the calls.";
    constexpr std::string_view beside =
        "A read and a write, one of each, may wait on one descriptor at once.";
    return {
        rule_of<required_submit_never_completes_inside_the_call<Loop>>(
            "`done` is called from inside run() and never from inside the call that submitted it.",
            where, need::io),
        rule_of<required_read_and_write_carry_bytes<Loop>>(
            "read and write: result is how many bytes.", operation_contract, need::io),
        rule_of<required_end_of_file_is_zero<Loop>>("End of file is 0.", where, need::io),
        rule_of<required_errors_are_results<Loop>>(
            "Errors are results (-errno), never signals or exceptions.", where, need::io),
        rule_of<required_connect_succeeds_or_is_refused<Loop>>(
            "connect: `data` and `size` are a sockaddr; result 0, or -errno.", operation_contract,
            need::io),
        rule_of<required_accepted_descriptors_are_non_blocking_and_close_on_exec<Loop>>(
            "accept: result is the new connection's descriptor (non-blocking, close-on-exec).",
            operation_contract, need::io),
        rule_of<required_many_accepts_wait_on_one_listener<Loop>>(in_order, where, need::io),
        rule_of<required_read_and_write_wait_on_one_descriptor<Loop>>(beside, where, need::io),
        rule_of<required_long_message_arrives_whole_through_short_writes<Loop>>(
            "write: at most `size` bytes from `data`; result: how many, possibly fewer.",
            operation_contract, need::io),
        rule_of<required_io_wakes_a_sleeping_loop<Loop>>(
            "run() waits when there are no operations to run.", where, need::io),
        rule_of<required_remote_post_wakes_a_loop_that_waits_for_io<Loop>>(
            "post_remote wakes the loop if it waits.", where, need::io),
        rule_of<required_io_completes_while_an_operation_reposts_itself<Loop>>(
            "Operations that keep posting themselves do not keep I/O from completing.", where,
            need::io),
        rule_of<required_due_io_goes_before_posts_that_compute<Loop>>(
            "What is due goes before what was only posted, however long that takes.", where,
            need::io),
        rule_of<required_many_descriptors_at_once<Loop>>(beside, where, need::io),
    };
}

}  // namespace overlap::conformance
