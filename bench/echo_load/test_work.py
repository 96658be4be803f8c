"""echo_load --work: messages that ask the server to compute something, and what must come back for them."""

import socket
import struct
import subprocess
import time

import pytest
from echo_load.serving import (
    ECHO_LOAD,
    KEYS,
    KEYS_OF_OPEN_LOOP,
    assert_fails,
    echo,
    echo_load,
    serving,
    summary_of,
)

SIZE = 64
KEYS_OF_WORK = {"work", "messages_with_work", "slowest_connection_ratio"}


def after_steps(state, steps):
    """Of xorshift32."""
    for _ in range(steps):
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFFFFFF
    return state


def computing(answer, size=SIZE):
    """A server whose answers are `answer(steps, state)`, and the steps it was asked for."""
    asked = []

    def serve(server, connection):
        while message := connection.recv(size, socket.MSG_WAITALL):
            steps, state = struct.unpack_from("<II", message)
            asked.append(steps)
            connection.sendall(struct.pack("<II", steps, answer(steps, state)) + message[8:])

    return serve, asked


def honest(steps, state):
    return after_steps(state, steps)


def merge(*options):
    command = [ECHO_LOAD, "--merge", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def with_work(port, *options, work=100, **request):
    request = {"messages": 50, "connections": 4} | request
    return echo_load(port, "--json", "--rate", 2000, "--work", work, *options, **request)


def test_the_state_after_the_steps_is_what_is_expected():
    serve, asked = computing(honest)
    assert after_steps(1, 1) == 270369
    with serving(serve) as server:
        summary = summary_of(with_work(server.port, "--one-in", 5))
    assert set(summary) >= (KEYS | KEYS_OF_OPEN_LOOP | KEYS_OF_WORK) - {
        "latency_p99_s",
        "latency_p999_s",
    }
    assert sorted(set(asked)) == [0, 100] and len(asked) == 200
    assert summary["messages_with_work"] == asked.count(100)
    assert 20 <= asked.count(100) <= 60, "one in five of 200"
    assert summary["slowest_connection_ratio"] >= 1


@pytest.mark.parametrize("size", [8, 9, 20_000])
def test_messages_of_any_size_ask(size):
    serve, asked = computing(honest, size)
    with serving(serve) as server:
        summary = summary_of(with_work(server.port, "--one-in", 2, size=size))
    assert summary["messages_with_work"] == asked.count(100) > 50


@pytest.mark.parametrize(
    "cheat",
    [
        lambda steps, state: state,
        lambda steps, state: after_steps(state, min(steps, 99)),
        lambda steps, state: after_steps(state, 100),
    ],
    ids=["computes nothing", "leaves out a step", "computes for those that did not ask"],
)
def test_a_server_that_computes_something_else_is_found_out(cheat):
    serve, _ = computing(cheat)
    with serving(serve) as server:
        finished = with_work(server.port)
    assert_fails(finished, 1, "message", "came back changed")
    nothing_asked = cheat(100, 1) == after_steps(1, 100)
    assert ("asked for 100 steps of xorshift32" in finished.stderr) != nothing_asked


def test_an_echo_server_is_none_that_computes():
    with serving(echo) as server:
        assert_fails(with_work(server.port), 1, "asked for 100 steps of xorshift32: ")


def test_latencies_are_of_those_that_ask_for_nothing():
    """Whoever asks is kept waiting, and so is nobody else: each has a connection of its own."""

    def slow(steps, state):
        if steps:
            time.sleep(1)
        return after_steps(state, steps)

    serve, asked = computing(slow)
    with serving(serve) as server:
        finished = with_work(
            server.port, "--warm-up", 0, "--one-in", 4, connections=100, messages=1
        )
    summary = summary_of(finished)
    assert summary["messages_with_work"] == asked.count(100) > 0
    assert summary["messages_measured"] == asked.count(0) > 0
    assert summary["latency_max_s"] < 1 < summary["wall_s"]


def test_the_slowest_connection_stands_beside_the_median_one():
    """The first connection that is served has answers after 20 ms, the others at once."""
    served = []

    def unfair(server, connection):
        served.append(connection)
        slow = len(served) == 1
        while message := connection.recv(SIZE, socket.MSG_WAITALL):
            time.sleep(0.02 * slow)
            connection.sendall(message)

    with serving(unfair) as server:
        finished = with_work(server.port, "--one-in", 1_000_000, connections=5, messages=10)
    summary = summary_of(finished)
    assert summary["messages_with_work"] == 0
    assert summary["slowest_connection_ratio"] * summary["latency_p50_s"] > 0.02
    assert summary["slowest_connection_ratio"] > 2


@pytest.mark.parametrize(
    "options, request_, words",
    [
        (["--work", "0"], {}, ["--work", "1"]),
        (["--work", "-1"], {}, ["--work"]),
        (["--work", "4000000001"], {}, ["--work", "4000000000"]),
        (["--work", "many"], {}, ["--work", "many"]),
        (["--work", "1", "--one-in", "1"], {}, ["--one-in", "2"]),
        (["--one-in", "5"], {}, ["--one-in", "--work"]),
        (["--work", "1"], {"size": 7}, ["--bytes 7", "8 bytes or more"]),
        (["--work", "4000000000"], {"messages": 100_000}, ["--work", "e9 steps", "lower"]),
    ],
)
def test_work_that_makes_no_sense(options, request_, words):
    assert_fails(echo_load(7, "--rate", 1000, *options, **request_), 2, *words)


def test_work_needs_a_rate():
    assert_fails(echo_load(7, "--work", 1), 2, "--work", "--rate")


def test_generators_that_asked_for_different_work_are_not_added_up(tmp_path):
    serve, _ = computing(honest)
    kept = [tmp_path / "one", tmp_path / "other"]
    with serving(serve) as server:
        for path, work in zip(kept, (10, 20), strict=True):
            summary_of(with_work(server.port, "--histogram", path, work=work))
    assert_fails(merge(*kept), 2, "--merge", "differ in --work")
    again = tmp_path / "again"
    summary_of(merge(kept[0], "--json", "--histogram", again))
    assert_fails(merge(again, kept[1]), 2, "differ in --work")
