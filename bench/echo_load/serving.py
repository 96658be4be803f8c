"""echo_load as its tests run it, and servers for it.

It is the program of the build directory that OVERLAP_BUILD names (build/release by default).
"""

import contextlib
import json
import socket
import subprocess
import threading

from harness.binaries import BINARIES

ECHO_LOAD = BINARIES / "echo_load"
KEYS = {
    "connections", "messages", "bytes", "wall_s", "messages_per_s", "latency_p50_s",
    "latency_p99_s", "latency_p999_s", "latency_max_s", "latency_mean_s", "bytes_echoed", "cpu_s",
    "little_error", "generator_idle", "generator_bound", "gates", "verified",
}  # fmt: skip
KEYS_OF_OPEN_LOOP = {
    "messages_measured", "warm_up_s", "offered_per_s", "answered_share", "backlog",
    "send_lateness_p99_s",
}  # fmt: skip


class Server:
    """Runs `serve(connection)` in a thread for each connection, and counts what was received."""

    def __init__(self, serve, family=socket.AF_INET, host="127.0.0.1"):
        self.received = []
        self._serve = serve
        self._listener = socket.create_server((host, 0), family=family, backlog=512)
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
def serving(serve, *where):
    server = Server(serve, *where)
    try:
        yield server
    finally:
        server.close()


def echo(server, connection):
    while data := connection.recv(1 << 16):
        server.received.append(data)
        connection.sendall(data)


def command_of(port, *options, connections=1, messages=10, size=64, timeout=5):
    """With messages=None the options say how many."""
    count = [] if messages is None else ["--messages", messages]
    command = [
        ECHO_LOAD, "--port", port, "--connections", connections, *count,
        "--bytes", size, "--timeout", timeout, *options,
    ]  # fmt: skip
    return [str(word) for word in command]


def echo_load(port, *options, settings=None, **request):
    return subprocess.run(
        command_of(port, *options, **request), capture_output=True, text=True, timeout=60,
        check=False, **(settings or {}),
    )  # fmt: skip


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


class OneAtATime(Server):
    """Accepts the next connection when it is done with the one before."""

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._one(connection)
