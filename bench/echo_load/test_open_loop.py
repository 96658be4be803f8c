"""echo_load at a rate: messages that are due whether or not earlier ones have come back."""

import json
import signal
import socket
import subprocess
import time

import pytest
from echo_load.serving import (
    KEYS,
    KEYS_OF_OPEN_LOOP,
    assert_fails,
    command_of,
    echo,
    echo_load,
    serving,
    summary_of,
)


def at_rate(port, rate, *options, duration=1, **request):
    if "messages" not in request:
        request["messages"] = None
        options = (*options, "--duration", duration)
    return echo_load(port, "--json", "--rate", rate, *options, **request)


def names_of(summary):
    """Of the gates that found something."""
    return [gate.partition(":")[0] for gate in summary["gates"]]


def test_an_open_loop_offers_what_was_asked_for():
    with serving(echo) as server:
        summary = summary_of(at_rate(server.port, 1000, "--arrivals", "even", connections=7))
    assert set(summary) == (KEYS | KEYS_OF_OPEN_LOOP) - {"latency_p999_s"}
    assert (summary["messages"], summary["messages_measured"]) == (1000, 900)
    assert summary["bytes_echoed"] == 1000 * 64 == sum(map(len, server.received))
    assert summary["offered_per_s"] == pytest.approx(1000)
    assert summary["warm_up_s"] == pytest.approx(0.1)
    assert summary["wall_s"] >= 0.999


def test_poisson_arrivals_offer_as_much_and_each_connection_has_its_messages():
    served = []

    def count(server, connection):
        mine = 0
        while data := connection.recv(1 << 16):
            mine += len(data)
            connection.sendall(data)
        served.append(mine)

    with serving(count) as server:
        summary = summary_of(at_rate(server.port, 1000, connections=4, messages=100))
        deadline = time.monotonic() + 10
        while len(served) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert served == [100 * 64] * 4
    assert summary["offered_per_s"] == pytest.approx(1000)


def distances_seen(*options):
    """Between messages, as a server of one connection sees them."""
    seen = []

    def note(server, connection):
        while data := connection.recv(64, socket.MSG_WAITALL):
            seen.append(time.monotonic())
            connection.sendall(data)

    with serving(note) as server:
        summary_of(at_rate(server.port, 500, *options, messages=400))
    return [later - earlier for earlier, later in zip(seen, seen[1:])]


def test_arrivals_are_at_random_or_even():
    random, even = distances_seen(), distances_seen("--arrivals", "even")
    # Of exponential distances 1 - 1/sqrt(e) = 39% are under half their mean, and e^-2 = 14% over
    # twice; of even ones none are, but for what the server saw late.
    assert 0.3 < sum(each < 0.001 for each in random) / len(random) < 0.5
    assert 0.07 < sum(each > 0.004 for each in random) / len(random) < 0.22
    assert sum(0.001 < each < 0.004 for each in even) > 0.75 * len(even)


def test_messages_leave_when_they_are_due_whatever_is_outstanding():
    """A server that answers only when it has 20 messages would wait for ever in a closed loop."""

    def in_twenties(server, connection):
        while data := connection.recv(20 * 64, socket.MSG_WAITALL):
            connection.sendall(data)

    with serving(in_twenties) as server:
        options = ("--arrivals", "even", "--warm-up", 0)
        summary = summary_of(at_rate(server.port, 1000, *options, messages=200))
    # The first of twenty waits for the other nineteen, one every millisecond.
    assert summary["latency_max_s"] > 0.0185
    assert 0.009 < summary["latency_p50_s"] < 0.014


@pytest.mark.parametrize("size", [1, 9, 65, 16384, 300_001])
def test_every_size_comes_back_whole_with_several_outstanding(size):
    def after_a_while(server, connection):
        time.sleep(0.05)
        echo(server, connection)

    with serving(after_a_while) as server:
        summary = summary_of(at_rate(server.port, 400, connections=2, messages=10, size=size))
    assert summary["bytes_echoed"] == 20 * size == sum(map(len, server.received))


def test_a_warm_up_is_left_out():
    """The first message takes 0.1 s, and nobody hears of it."""

    def slow_at_first(server, connection):
        first = connection.recv(64)
        time.sleep(0.1)
        connection.sendall(first)
        echo(server, connection)

    with serving(slow_at_first) as server:
        whole = summary_of(at_rate(server.port, 200, "--warm-up", 0))
        part = summary_of(at_rate(server.port, 200, "--warm-up", 0.5, "--arrivals", "even"))
    assert whole["latency_max_s"] > 0.099 > part["latency_max_s"]
    assert (whole["messages_measured"], part["messages_measured"]) == (200, 100)


def one_message_in(seconds):
    def serve(server, connection):
        while data := connection.recv(64, socket.MSG_WAITALL):
            time.sleep(seconds)
            connection.sendall(data)

    return serve


def test_too_much_is_told_in_words():
    with serving(one_message_in(0.005)) as server:
        summary = summary_of(at_rate(server.port, 400))
        table = echo_load(server.port, "--rate", 400, "--duration", 1, messages=None).stdout
    assert names_of(summary)[0] == "overloaded"
    share = summary["answered_share"]
    assert share < 0.6
    assert summary["gates"][0] == f"overloaded: answered {share * 100:.0f}% of 400/s"
    assert summary["backlog"] > 100
    assert "no latencies:  overloaded: answered" in table
    assert "latency p50" not in table


def test_what_is_not_answered_in_bounded_time_is_an_error():
    with serving(one_message_in(0.02)) as server:
        finished = at_rate(server.port, 1000, messages=500, timeout=0.5)
    assert_fails(finished, 1, "overloaded: answered", "of 1,000/s", "0.5 s after the last was due")


def test_a_backlog_that_grows_is_found_where_nearly_all_is_answered():
    """From some time on one of twenty connections gets no answer until all has been sent."""

    def one_waits(server, connection):
        waits = not server.received
        server.received.append(b"")
        begin = time.monotonic()
        while data := connection.recv(1 << 16):
            if waits and time.monotonic() - begin > 1.2:
                time.sleep(1)
                waits = False
            connection.sendall(data)

    with serving(one_waits) as server:
        options = ("--arrivals", "even")
        summary = summary_of(at_rate(server.port, 2000, *options, duration=2, connections=20))
    assert summary["answered_share"] > 0.95
    assert "backlog still growing" in names_of(summary)


def test_a_generator_that_was_stopped_is_late():
    with serving(echo) as server:
        options = ("--rate", 2000, "--duration", 1, "--json")
        command = command_of(server.port, *options, messages=None)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as generator:
            time.sleep(0.5)
            generator.send_signal(signal.SIGSTOP)
            time.sleep(0.1)
            generator.send_signal(signal.SIGCONT)
            output, _ = generator.communicate(timeout=60)
    summary = json.loads(output)
    assert summary["send_lateness_p99_s"] > 0.05
    assert "generator late" in names_of(summary)
    assert summary["verified"] == 1, "nothing is left out"
    assert summary["messages"] == 2000


def test_percentiles_go_as_far_as_there_are_messages():
    with serving(echo) as server:
        enough = summary_of(at_rate(server.port, 100_000, "--warm-up", 0, messages=29_956))
        too_few = summary_of(at_rate(server.port, 100_000, "--warm-up", 0, messages=29_955))
    assert "latency_p9999_s" in enough and "latency_p9999_s" not in too_few
    assert enough["latency_p999_s"] <= enough["latency_p9999_s"] <= enough["latency_max_s"]


def closed(server, connection):
    connection.recv(64)


def silent(server, connection):
    while connection.recv(64):
        pass


def wrong(server, connection):
    while data := connection.recv(1 << 16):
        connection.sendall(bytes(len(data)))


def short(server, connection):
    connection.sendall(connection.recv(64, socket.MSG_WAITALL)[:40])
    silent(server, connection)


def twice(server, connection):
    while data := connection.recv(64, socket.MSG_WAITALL):
        connection.sendall(data + data)


def late(server, connection):
    while data := connection.recv(64, socket.MSG_WAITALL):
        time.sleep(1)
        connection.sendall(data)


@pytest.mark.parametrize(
    "serve, words",
    [
        (closed, "closed the connection after no byte of this message"),
        (silent, "timeout of 0.5 s: no byte of this message"),
        (wrong, "byte 1 of 64 came back changed"),
        (short, "timeout of 0.5 s: 40 of 64 bytes of this message"),
        (twice, "more came back than was sent (extra bytes: 64)"),
        (late, "timeout of 0.5 s: no byte of this message"),
    ],
)
def test_servers_that_do_not_echo(serve, words):
    with serving(serve) as server:
        finished = at_rate(server.port, 10, "--arrivals", "even", messages=10, timeout=0.5)
    assert_fails(finished, 1, "connection 1 of 1, message 1 of 10", words)
