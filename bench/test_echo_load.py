"""echo_load against servers that echo, and against servers that do not.

It is the program of the build directory that OVERLAP_BUILD names (build/release by default).
"""

import contextlib
import json
import os
import pathlib
import resource
import socket
import subprocess
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
ECHO_LOAD = (
    pathlib.Path(os.environ.get("OVERLAP_BUILD", ROOT / "build/release")) / "bench/echo_load"
)
KEYS = {
    "connections", "messages", "bytes", "wall_s", "messages_per_s", "latency_p50_s",
    "latency_p99_s", "latency_p999_s", "latency_max_s", "latency_mean_s", "bytes_echoed", "cpu_s",
    "little_error", "generator_idle", "generator_bound", "verified",
}  # fmt: skip


class Server:
    """Runs `serve(connection)` in a thread for each connection, and counts what was received."""

    def __init__(self, serve):
        self.received = []
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection):
        with connection, contextlib.suppress(OSError):
            self._serve(self, connection)

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextlib.contextmanager
def serving(serve):
    server = Server(serve)
    try:
        yield server
    finally:
        server.close()


def echo(server, connection):
    while data := connection.recv(1 << 16):
        server.received.append(data)
        connection.sendall(data)


def echo_load(port, *options, connections=1, messages=10, size=64, timeout=5, **kwargs):
    command = [
        ECHO_LOAD, "--port", port, "--connections", connections, "--messages", messages,
        "--bytes", size, "--timeout", timeout, *options,
    ]  # fmt: skip
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=60, **kwargs
    )


def summary_of(finished):
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    return json.loads(finished.stdout)


def assert_fails(finished, code, *words):
    """One line that says what is wrong, and nothing that could be taken for a result."""
    assert finished.returncode == code, finished.stderr
    assert finished.stdout == ""
    assert finished.stderr.startswith("echo_load: ")
    assert finished.stderr.count("\n") == 1
    for word in words:
        assert word in finished.stderr


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
    assert summary["generator_bound"] == (summary["generator_idle"] < 0.1)


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


def test_a_wrong_byte_is_found_wherever_it_is():
    for position in (0, 31, 63):

        def corrupt(server, connection, position=position):
            for _ in range(3):
                connection.sendall(connection.recv(64, socket.MSG_WAITALL))
            data = bytearray(connection.recv(64, socket.MSG_WAITALL))
            data[position] ^= 1
            connection.sendall(data)
            connection.recv(1)

        with serving(corrupt) as server:
            finished = echo_load(server.port)
        assert_fails(
            finished, 1, "message 4 of 10", f"byte {position + 1} of 64", "came back changed"
        )


def test_replies_of_another_connection_are_found():
    replies, both = {}, threading.Barrier(2)

    def swap(server, connection):
        mine = connection.fileno()
        replies[mine] = connection.recv(64, socket.MSG_WAITALL)
        both.wait(10)
        connection.sendall(next(data for other, data in replies.items() if other != mine))
        connection.recv(1)

    with serving(swap) as server:
        assert_fails(echo_load(server.port, connections=2), 1, "came back changed")


def test_a_repeated_reply_is_found():
    def repeat(server, connection):
        first = connection.recv(64, socket.MSG_WAITALL)
        connection.sendall(first)
        while connection.recv(64, socket.MSG_WAITALL):
            connection.sendall(first)

    with serving(repeat) as server:
        assert_fails(echo_load(server.port), 1, "message 2 of 10", "byte 1 of 64")


@pytest.mark.parametrize("bytes_before", [0, 64, 100])
def test_a_server_that_closes_early_is_an_error(bytes_before):
    def close_early(server, connection):
        left = bytes_before
        while left and (data := connection.recv(left)):
            connection.sendall(data)
            left -= len(data)

    with serving(close_early) as server:
        finished = echo_load(server.port)
    assert_fails(finished, 1, "connection 1 of 1")
    assert any(how in finished.stderr for how in ("closed", "reset", "Broken pipe"))


def test_a_reset_is_an_error():
    def reset(server, connection):
        connection.sendall(connection.recv(64, socket.MSG_WAITALL))
        connection.recv(64, socket.MSG_WAITALL)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with serving(reset) as server:
        assert_fails(echo_load(server.port), 1, "message 2 of 10", "reset")


def too_much_at_once(server, connection):
    while data := connection.recv(64, socket.MSG_WAITALL):
        connection.sendall(data + b"x")


def too_much_at_the_end(server, connection):
    echo(server, connection)
    connection.sendall(b"one more thing")


@pytest.mark.parametrize("serve, excess", [(too_much_at_once, 1), (too_much_at_the_end, 14)])
def test_extra_bytes_are_an_error(serve, excess):
    with serving(serve) as server:
        assert_fails(echo_load(server.port), 1, f"extra bytes: {excess}")


def test_a_server_that_speaks_first_is_an_error():
    def greet(server, connection):
        connection.sendall(b"220 welcome\r\n")
        connection.recv(1)

    with serving(greet) as server:
        finished = echo_load(server.port)
    assert finished.returncode == 1
    assert finished.stderr.count("\n") == 1


def test_a_server_that_never_answers_is_a_timeout():
    with serving(lambda server, connection: connection.recv(1 << 20) and connection.recv(1)) as it:
        finished = echo_load(it.port, timeout=0.3)
    assert_fails(finished, 1, "connection 1 of 1, message 1 of 10", "timeout of 0.3 s")


def test_one_stuck_connection_among_busy_ones_is_a_timeout():
    first = threading.Lock()

    def serve(server, connection):
        if first.acquire(blocking=False):
            connection.sendall(connection.recv(64, socket.MSG_WAITALL)[:63])
            connection.recv(1)
        else:
            echo(server, connection)

    with serving(serve) as server:
        finished = echo_load(server.port, timeout=0.3, connections=3, messages=10_000_000)
    assert_fails(finished, 1, "timeout of 0.3 s")


class OneAtATime(Server):
    """Accepts the next connection when it is done with the one before."""

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._one(connection)


@pytest.mark.parametrize("at_once", [2, 100])
def test_connections_are_held_open_until_enough_are_served(at_once):
    server = OneAtATime(echo)
    try:
        finished = echo_load(server.port, "--at-once", at_once, connections=3, timeout=1)
    finally:
        server.close()
    expected = f"1 of the {min(at_once, 3)} that should be served at once"
    assert_fails(finished, 1, "connection 2 of 3, message 1 of 10", "timeout of 1 s", expected)


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


def test_a_server_that_accepts_nobody_is_a_timeout():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        finished = echo_load(listener.getsockname()[1], connections=20, timeout=0.3)
    assert_fails(finished, 1, "of 20 connections", "timeout")


def test_nobody_listening_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert_fails(echo_load(port), 1, f"127.0.0.1 port {port}", "refused")


def test_too_few_descriptors_are_named_before_connecting():
    finished = echo_load(
        1, connections=200,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100)),
    )  # fmt: skip
    assert_fails(finished, 1, "200 connections need 216 descriptors", "may have 100", "ulimit")


def test_the_soft_limit_of_descriptors_is_raised():
    with serving(echo) as server:
        finished = echo_load(
            server.port, "--json", connections=100,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (50, 1000)),
        )  # fmt: skip
    assert summary_of(finished)["connections"] == 100


def test_a_name_is_resolved():
    with serving(echo) as server:
        assert summary_of(echo_load(server.port, "--json", "--host", "localhost"))["verified"] == 1


@pytest.mark.parametrize(
    "options, words",
    [
        (["--connections", "0"], ["--connections", "0", "1 to 1000000"]),
        (["--connections", "-5"], ["--connections", "-5", "1 to 1000000"]),
        (["--connections", "1000000000000"], ["--connections", "1 to 1000000"]),
        (["--connections", "1.5"], ["--connections", "1.5"]),
        (["--messages", "0"], ["--messages", "1 to 1000000000"]),
        (["--messages", "1000000000", "--connections", "1000000"], ["MB", "lower one"]),
        (["--bytes", "0"], ["--bytes", "1 to 1073741824"]),
        (["--bytes", "many"], ["--bytes", "many"]),
        (["--port", "0"], ["--port", "1 to 65535"]),
        (["--port", "65536"], ["--port", "1 to 65535"]),
        (["--timeout", "0"], ["--timeout", "0.001 to 86400 seconds"]),
        (["--timeout", "nan"], ["--timeout", "0.001 to 86400 seconds"]),
        (["--seed", "-1"], ["--seed", "-1"]),
        (["--host", "no-such-host.invalid"], ["--host", "no-such-host.invalid"]),
        (["--colour", "red"], ["--colour", "--help"]),
        (["stray"], ["stray", "--help"]),
    ],
)
def test_requests_that_make_no_sense(options, words):
    request = {"--port": "7", "--connections": "1", "--messages": "1", "--bytes": "1"}
    rest = []
    for name, value in zip(options[::2], [*options[1::2], None]):
        if name in request:
            request[name] = value
        else:
            rest += [name] if value is None else [name, value]
    command = [str(ECHO_LOAD), *[word for pair in request.items() for word in pair], *rest]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert_fails(finished, 2, *words)


def test_missing_options_are_named():
    finished = subprocess.run([str(ECHO_LOAD)], capture_output=True, text=True, timeout=60)
    assert_fails(finished, 2, "--port is required")


def test_help_explains_use_and_figures():
    finished = subprocess.run(
        [str(ECHO_LOAD), "--help"], capture_output=True, text=True, timeout=60
    )
    assert finished.returncode == 0
    for word in ("socat", "ncat", "Exit code", "verified", "little_error", "generator_bound"):
        assert word in finished.stdout
    for key in KEYS - {"connections", "messages", "bytes"}:
        family = "latency_*_s" if key.startswith("latency") else key
        assert family in finished.stdout
