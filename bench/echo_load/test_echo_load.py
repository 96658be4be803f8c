"""echo_load against servers that echo."""

import resource
import socket
import threading
import time

import pytest
from echo_load.serving import KEYS, OneAtATime, echo, echo_load, serving, summary_of


def test_json_has_every_figure_and_they_agree():
    with serving(echo) as server:
        summary = summary_of(echo_load(server.port, "--json", connections=10, messages=300))
    assert set(summary) == KEYS
    assert (summary["connections"], summary["messages"], summary["bytes"]) == (10, 3000, 64)
    assert summary["bytes_echoed"] == 3000 * 64 == sum(map(len, server.received))
    assert summary["verified"] == 1
    assert summary["messages_per_s"] == pytest.approx(3000 / summary["wall_s"])
    assert 0 < summary["latency_p50_s"] <= summary["latency_p99_s"] <= summary["latency_p999_s"]
    assert summary["latency_p999_s"] <= summary["latency_max_s"] <= summary["wall_s"]
    assert summary["latency_mean_s"] <= summary["latency_max_s"]
    assert 0 < summary["cpu_s"] <= summary["wall_s"] * 1.01
    assert 0 <= summary["generator_idle"] < 1
    assert summary["generator_bound"] == (summary["generator_idle"] < 0.2)


def test_closed_loop_obeys_littles_law():
    with serving(echo) as server:
        summary = summary_of(echo_load(server.port, "--json", connections=5, messages=400))
    assert summary["little_error"] < 0.05
    outstanding = summary["messages_per_s"] * summary["latency_mean_s"]
    assert outstanding <= 5.0001, "never more than one message outstanding on each connection"


def test_connections_that_finish_early_do_not_break_littles_law():
    slow = threading.Lock()

    def one_is_slow(server, connection):
        delayed = slow.acquire(blocking=False)
        while data := connection.recv(1 << 16):
            if delayed:
                threading.Event().wait(0.02)
            connection.sendall(data)

    with serving(one_is_slow) as server:
        summary = summary_of(echo_load(server.port, "--json", connections=4, messages=20))
    assert summary["little_error"] < 0.05
    assert summary["latency_max_s"] >= 0.02
    assert summary["wall_s"] >= 20 * 0.02
    assert not summary["generator_bound"]


@pytest.mark.parametrize("messages, keys", [(298, 0), (299, 1), (2994, 1), (2995, 2)])
def test_quantiles_need_observations(messages, keys):
    with serving(echo) as server:
        summary = summary_of(echo_load(server.port, "--json", messages=messages))
    assert len({"latency_p99_s", "latency_p999_s"} & set(summary)) == keys
    assert "latency_max_s" in summary


@pytest.mark.parametrize("size", [1, 7, 8, 9, 65, 16384, 3_000_001])
def test_every_size_comes_back_whole(size):
    with serving(echo) as server:
        summary = summary_of(echo_load(server.port, "--json", connections=2, messages=3, size=size))
    assert summary["bytes_echoed"] == 6 * size == sum(map(len, server.received))


def test_a_server_that_returns_single_bytes_is_an_echo_server():
    def dribble(server, connection):
        while data := connection.recv(7):
            for byte in data:
                connection.sendall(bytes([byte]))

    with serving(dribble) as server:
        assert summary_of(echo_load(server.port, "--json", messages=5))["bytes_echoed"] == 5 * 64


def messages_received(seed):
    with serving(echo) as server:
        summary_of(
            echo_load(server.port, "--json", "--seed", seed, connections=8, messages=50, size=16)
        )
        stream = b"".join(server.received)
    return [stream[i : i + 16] for i in range(0, len(stream), 16)]


def test_no_two_messages_are_alike():
    messages = messages_received(seed=1)
    assert len(messages) == 400 == len(set(messages))
    assert set(messages) == set(messages_received(seed=1)), "the seed decides"
    assert not set(messages) & set(messages_received(seed=2))


def test_connections_are_shut_down_when_they_have_had_their_messages():
    ends = []

    def note_the_end(server, connection):
        echo(server, connection)
        ends.append(connection)

    with serving(note_the_end) as server:
        summary_of(echo_load(server.port, "--json", connections=7))
    assert len(ends) == 7


def test_a_server_that_never_closes_does_not_hold_up_the_result():
    kept = []

    def keep(server, connection):
        echo(server, connection)
        kept.append(connection.dup())

    with serving(keep) as server:
        assert summary_of(echo_load(server.port, "--json"))["verified"] == 1
    for connection in kept:
        connection.close()


def test_table_is_for_people():
    with serving(echo) as server:
        finished = echo_load(server.port, messages=300)
    assert finished.returncode == 0
    for word in ("messages/s", "latency p50", "p99", "every one compared", "Little"):
        assert word in finished.stdout
    assert "p99.9" not in finished.stdout


def test_connections_are_held_open_until_then_and_no_longer():
    begun, ended, ended_early = [], [], []
    all_ended = threading.Event()

    def last_one_slowly(server, connection):
        message = connection.recv(64)
        begun.append(connection)
        if len(begun) == 3:
            time.sleep(0.2)
            ended_early.extend(ended)
        connection.sendall(message)
        echo(server, connection)
        ended.append(connection)
        if len(ended) == 3:
            all_ended.set()

    with serving(last_one_slowly) as server:
        finished = echo_load(server.port, "--at-once", 3, connections=3, messages=1)
    assert finished.returncode == 0, finished.stderr
    assert all_ended.wait(30) and ended_early == []


def test_a_server_of_one_connection_at_a_time_is_served_by_default():
    server = OneAtATime(echo)
    try:
        assert summary_of(echo_load(server.port, "--json", connections=3))["verified"] == 1
    finally:
        server.close()


def test_the_soft_limit_of_descriptors_is_raised():
    with serving(echo) as server:
        finished = echo_load(
            server.port, "--json", connections=100,
            settings={"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (50, 1000))},
        )  # fmt: skip
    assert summary_of(finished)["connections"] == 100


def test_a_name_is_resolved():
    try:
        socket.gethostbyname("localhost")
    except OSError:
        pytest.skip("no name is known here, not even localhost")
    with serving(echo) as server:
        assert summary_of(echo_load(server.port, "--json", "--host", "localhost"))["verified"] == 1
