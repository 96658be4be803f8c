// Rules of every loop that does I/O: cancelling what waits, also just as it completes.
#pragma once

#include <overlap/conformance/probes.hpp>
#include <overlap/conformance/streams.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace overlap::conformance {

template <event_loop Loop>
void required_cancelled_io_completes_once() {
    stream_pair silent;
    stream_pair full;
    const unique_descriptor listener = open_listener(endpoint{});
    // With room for one connection in its queue and two there, a third is not answered.
    const unique_descriptor crowded = open_listener(endpoint{}, 0);
    const unique_descriptor first = connect_to(crowded);
    const unique_descriptor second = connect_to(crowded);
    const unique_descriptor third = open_tcp();
    const endpoint where(port_of(crowded));
    char byte = 0;
    io_probe reading(operation_kind::read, silent.near.get(), &byte, 1);
    io_probe writing(operation_kind::write, full.near.get(), "x", 1);
    io_probe accepting(operation_kind::accept, listener.get());
    io_probe connecting(operation_kind::connect, third.get(), where.data(), endpoint::size());
    Loop loop;
    fill(full.near);
    const std::array all{&reading, &writing, &accepting, &connecting};
    for (auto* op : all) loop.submit(op);
    settle(loop);
    for (const auto* op : all) {
        expect_equal(op->completions, 0, "completions of an operation that has to wait");
    }
    for (auto* op : all) loop.cancel(op);
    for (auto* op : all) loop.cancel(op);
    run_until_complete(loop, reading, writing, accepting, connecting);
    settle(loop);
    expect_result(reading, -ECANCELED, "a cancelled read");
    expect_result(writing, -ECANCELED, "a cancelled write");
    expect_result(accepting, -ECANCELED, "a cancelled accept");
    expect_result(connecting, -ECANCELED, "a cancelled connect");
}

template <event_loop Loop>
void required_io_cancelled_at_once_completes_once() {
    stream_pair stream;
    char byte = 0;
    io_probe reading(operation_kind::read, stream.near.get(), &byte, 1);
    Loop loop;
    loop.submit(&reading);
    loop.cancel(&reading);
    expect_equal(reading.completions, 0, "completions before run()");
    run_until_complete(loop, reading);
    settle(loop);
    expect_result(reading, -ECANCELED, "a read that was cancelled before run()");
}

template <event_loop Loop>
void required_cancelled_read_takes_no_bytes() {
    stream_pair stream;
    char cancelled = 0;
    char byte = 0;
    io_probe reading(operation_kind::read, stream.near.get(), &cancelled, 1);
    io_probe again(operation_kind::read, stream.near.get(), &byte, 1);
    Loop loop;
    loop.submit(&reading);
    settle(loop);
    loop.cancel(&reading);
    run_until_complete(loop, reading);
    send_all(stream.far, "x");
    loop.submit(&again);
    run_until_complete(loop, again);
    expect_result(again, 1, "the read that followed a cancelled one");
    expect_equal(byte, 'x', "byte that it read");
    expect_equal(+cancelled, 0, "what the cancelled read's buffer holds");
}

template <event_loop Loop>
void required_cancel_of_one_waiting_accept_leaves_the_others() {
    const unique_descriptor listener = open_listener(endpoint{});
    std::deque<io_probe> accepting;
    Loop loop;
    for (int i = 0; i < 3; ++i) {
        loop.submit(&accepting.emplace_back(operation_kind::accept, listener.get()));
    }
    settle(loop);
    loop.cancel(&accepting[1]);
    settle(loop);
    const std::array clients{connect_to(listener), connect_to(listener)};
    run_until_complete(loop, accepting[0], accepting[2]);
    for (const auto which : {0U, 2U}) {
        const unique_descriptor accepted(accepting[which].result);
        expect(accepted.get() >= 0,
               text("accept number ", which, ": ", describe_result(accepting[which].result)),
               "a connection, as only accept number 1 was cancelled");
    }
}

template <event_loop Loop>
void required_cancel_of_completed_io_changes_nothing() {
    stream_pair stream;
    char byte = 0;
    io_probe reading(operation_kind::read, stream.near.get(), &byte, 1);
    Loop loop;
    for (int round = 1; round <= 2; ++round) {
        reading.completions = 0;
        loop.submit(&reading);
        send_all(stream.far, "x");
        run_until_complete(loop, reading);
        loop.cancel(&reading);
        settle(loop);
        expect_result(reading, 1, "a read that was cancelled after it had completed");
    }
}

/// Throws a violation unless a read of one byte either got it or left it in the socket.
inline void expect_byte_read_or_left(const io_probe& reading, char byte, char sent,
                                     const unique_descriptor& near) {
    expect_result_among(reading, {1, -ECANCELED}, "a read cancelled as its byte arrived");
    const std::string left = receive_available(near);
    const std::string got = reading.result == 1 ? std::string(1, byte) : std::string();
    expect_equal(got + left, std::string(1, sent), "bytes that were read and left");
}

template <event_loop Loop>
void required_cancel_in_the_turn_of_completion_loses_nothing() {
    constexpr int rounds = 300;
    stream_pair stream;
    char byte = 0;
    io_probe reading(operation_kind::read, stream.near.get(), &byte, 1);
    Loop loop;
    for (int round = 0; round < rounds; ++round) {
        const char sent = static_cast<char>('a' + round % 26);
        reading.completions = 0;
        loop.submit(&reading);
        if (round % 3 == 0) settle(loop);
        if (round % 2 == 0) send_all(stream.far, {&sent, 1});
        loop.cancel(&reading);
        if (round % 2 != 0) send_all(stream.far, {&sent, 1});
        run_until_complete(loop, reading);
        expect_byte_read_or_left(reading, byte, sent, stream.near);
    }
    settle(loop);
    expect_equal(reading.completions, 1, "completions of the last round's read");
}

template <event_loop Loop>
void stochastic_cancel_races_a_read() {
    const attempts races(2'000);
    constexpr int longest_pause = 30'000;  // In steps: longer than it takes the peer to send.
    stream_pair stream;
    char byte = 0;
    io_probe reading(operation_kind::read, stream.near.get(), &byte, 1);
    post_probe canceller;
    std::atomic<int> begun = 0;
    std::atomic<int> sent = 0;
    Loop loop;
    canceller.then = [&] { loop.cancel(&reading); };
    const std::jthread peer([&](const std::stop_token& stop) {
        for (int round = 1;; ++round) {
            while (begun != round) {
                if (stop.stop_requested()) return;
                std::this_thread::yield();
            }
            pass_time(round * 7 % 500);
            send_all(stream.far, "x");
            sent = round;
        }
    });
    for (int round = 1; !races.were_enough(round); ++round) {
        reading.completions = canceller.completions = 0;
        loop.submit(&reading);
        begun = round;
        pass_time(round * 17 % longest_pause);
        while (round % 8 == 0 && sent != round) std::this_thread::yield();
        loop.post(&canceller);
        run_until_complete(loop, reading, canceller);
        while (sent != round) std::this_thread::yield();
        expect_byte_read_or_left(reading, byte, 'x', stream.near);
    }
}

template <event_loop Loop>
void required_cancelled_accept_loses_no_connection() {
    constexpr int rounds = 100;
    const unique_descriptor listener = open_listener(endpoint{});
    io_probe accepting(operation_kind::accept, listener.get());
    Loop loop;
    for (int round = 0; round < rounds; ++round) {
        unique_descriptor client;
        accepting.completions = 0;
        loop.submit(&accepting);
        if (round % 3 == 0) settle(loop);
        if (round % 2 == 0) client = connect_to(listener);
        loop.cancel(&accepting);
        if (round % 2 != 0) client = connect_to(listener);
        run_until_complete(loop, accepting);
        unique_descriptor accepted(accepting.result);
        if (accepted.get() < 0) {
            expect_result(accepting, -ECANCELED, "a cancelled accept");
            expect(is_ready(listener.get(), POLLIN),
                   "neither a completed accept nor a connection in the listener's queue",
                   "a connection is accepted, or is left to the next accept");
            accepted = unique_descriptor(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
        }
        send_all(client, "x");
        expect(is_ready(accepted.get(), POLLIN), "no byte on the accepted connection", "a byte");
    }
    settle(loop);
    expect_equal(accepting.completions, 1, "completions of the last round's accept");
}

template <event_loop Loop>
std::vector<rule> cancel_rules() {
    constexpr auto where = loop_contract;
    constexpr std::string_view once =
        "A cancelled operation completes exactly once: with -ECANCELED, or with its own result.";
    constexpr std::string_view own_result =
        "A cancelled operation completes with its own result if that came first.";
    return {
        rule_of<required_cancelled_io_completes_once<Loop>>(once, where, need::io),
        rule_of<required_io_cancelled_at_once_completes_once<Loop>>(once, where, need::io),
        rule_of<required_cancelled_read_takes_no_bytes<Loop>>(once, where, need::io),
        rule_of<required_cancel_of_one_waiting_accept_leaves_the_others<Loop>>(
            "cancel asks that `op` complete now, and no other.", where, need::io),
        rule_of<required_cancel_of_completed_io_changes_nothing<Loop>>(once, where, need::io),
        rule_of<required_cancel_in_the_turn_of_completion_loses_nothing<Loop>>(own_result, where,
                                                                               need::io),
        rule_of<stochastic_cancel_races_a_read<Loop>>(own_result, where, need::io),
        rule_of<required_cancelled_accept_loses_no_connection<Loop>>(own_result, where, need::io),
    };
}

}  // namespace overlap::conformance
