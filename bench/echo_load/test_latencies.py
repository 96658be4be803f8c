"""Latencies that echo_load keeps: put together, and with what was planted in them."""

import contextlib
import json
import math
import signal
import subprocess
import sys
import time

import pytest
from echo_load.serving import (
    ECHO_LOAD,
    assert_fails,
    command_of,
    echo,
    echo_load,
    serving,
    summary_of,
)

# One thread and little work: a stop of it is all that anybody waits for.
PLAIN_SERVER = """
import socket
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
connection, _ = listener.accept()
connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
while data := connection.recv(1 << 16):
    connection.sendall(data)
"""


def merge(*options):
    return subprocess.run(
        [ECHO_LOAD, "--merge", *options], capture_output=True, text=True, timeout=60, check=False
    )


def latencies_in(path):
    """In nanoseconds, ascending."""
    _, *lines = path.read_text().splitlines()
    return [int(ns) for ns, count in map(str.split, lines) for _ in range(int(count))]


def quantile(values, share):
    """By nearest rank."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


def test_percentiles_of_several_generators_are_those_of_all_their_messages(tmp_path):
    paths = [tmp_path / "a", tmp_path / "b"]
    with serving(echo) as server:
        for path, options in zip(paths, ([], ["--rate", 2000, "--warm-up", 0.1])):
            alone = summary_of(
                echo_load(server.port, "--json", "--histogram", path, *options, messages=600)
            )
            assert quantile(latencies_in(path), 0.5) == round(alone["latency_p50_s"] * 1e9)
    both = latencies_in(paths[0]) + latencies_in(paths[1])
    kept = tmp_path / "both"
    summary = summary_of(merge(*paths, "--json", "--histogram", kept))
    assert sorted(both) == latencies_in(kept)
    assert summary["latency_p50_s"] == pytest.approx(quantile(both, 0.5) * 1e-9)
    assert summary["latency_p99_s"] == pytest.approx(quantile(both, 0.99) * 1e-9)
    assert summary["latency_max_s"] == pytest.approx(max(both) * 1e-9)
    assert summary["latency_mean_s"] == pytest.approx(sum(both) / len(both) * 1e-9)
    assert (summary["generators"], summary["connections"], summary["messages"]) == (2, 2, 1200)
    assert summary["messages_measured"] == len(both)
    assert summary["bytes_echoed"] == 1200 * 64
    again = summary_of(merge(kept, paths[0], "--json"))
    assert (again["generators"], again["messages"]) == (3, 1800)


def write_latencies(path, gates=(), **changed):
    head = {
        "echo_load_latencies": 1, "connections": 1, "messages": 3, "bytes": 64,
        "bytes_echoed": 192, "gates": list(gates), **changed,
    }  # fmt: skip
    path.write_text(json.dumps(head) + "\n1000 2\n3000 1\n")
    return path


def test_what_one_generator_says_against_its_figures_stays(tmp_path):
    late = write_latencies(tmp_path / "late", ["generator late: p99 of sending is 90 us"])
    fine = write_latencies(tmp_path / "fine")
    summary = summary_of(merge(late, fine, "--json"))
    assert summary["gates"] == [f"{late}: generator late: p99 of sending is 90 us"]
    assert "latency p50" not in merge(late, fine).stdout
    assert "latency p50" in merge(fine).stdout


def test_files_that_cannot_be_merged(tmp_path):
    fine = write_latencies(tmp_path / "fine")
    assert summary_of(merge(fine, "--json"))["latency_p50_s"] == pytest.approx(1e-6)
    assert_fails(merge(fine, fine), 2, "given twice")
    other = write_latencies(tmp_path / "other", bytes=16)
    assert_fails(merge(fine, other), 2, "of 64 bytes", "of 16 in")
    assert_fails(merge(tmp_path / "none"), 2, "none, line 1: cannot be read")
    bad = tmp_path / "bad"
    for text, words in [
        ("", "line 1: cannot be read"),
        ("{}\n", "line 1: not a file of latencies"),
        ('[1, "' + "x" * 1000 + '"]\n', "line 1: not a file of latencies"),
        (fine.read_text().replace('"bytes": 64, ', ""), "line 1: bytes is missing"),
        (fine.read_text().replace('latencies": 1', 'latencies": 2'), "another version"),
        (fine.read_text() + "2000 1\n", "line 4: more latencies than messages, or not in their"),
        (fine.read_text().replace("3000 1", "3000 -1"), 'line 3: "3000 -1", expected a latency'),
        (fine.read_text().replace("3000 1\n", "3000"), 'line 3: "3000", expected a latency'),
        (fine.read_text().replace("3000 1\n", ""), "ends after 2 of 3 latencies"),
    ]:
        bad.write_text(text)
        assert_fails(merge(bad), 2, f"--merge: {bad}", words)


def test_a_file_that_cannot_be_written_is_an_error(tmp_path):
    with serving(echo) as server:
        finished = echo_load(server.port, "--histogram", tmp_path / "no" / "such")
    assert_fails(finished, 1, "--histogram:", "could not be written")


@contextlib.contextmanager
def plain_server():
    command = [sys.executable, "-c", PLAIN_SERVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def stop_of(process, seconds):
    """How long it was."""
    process.send_signal(signal.SIGSTOP)
    begin = time.monotonic()
    time.sleep(seconds)
    length = time.monotonic() - begin
    process.send_signal(signal.SIGCONT)
    return length


def tail_with_stops(rate, duration, stops, share, path):
    """The latency at a share, and what it should be after so many stops of 10 ms: a message that is
    due during a stop waits for what is left of it."""
    with plain_server() as (server, port):
        options = ["--rate", rate, "--arrivals", "even", "--duration", duration, "--warm-up", 0]
        command = command_of(port, *options, "--histogram", path, messages=None)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as generator:
            lengths = []
            for _ in range(stops):
                time.sleep(0.8 * duration / stops - 0.01)
                lengths.append(stop_of(server, 0.01))
            assert generator.wait(60) == 0
    waits = [length - i / rate for length in lengths for i in range(int(length * rate))]
    others = [0.0] * (rate * duration - len(waits))
    return quantile(latencies_in(path), share) * 1e-9, quantile(waits + others, share)


def test_a_stop_of_10_ms_is_in_the_tail(tmp_path):
    tries = []
    for _ in range(20):  # A machine that is busy with something else adds stops of its own.
        found, planted = tail_with_stops(5000, 3, 10, 0.999, tmp_path / "latencies")
        tries.append(found / planted)
        if abs(tries[-1] - 1) < 0.05:
            break
    assert min(abs(each - 1) for each in tries) < 0.05, tries
