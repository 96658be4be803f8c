"""Cases of echo at a rate, from the workload file to the row."""

import json
import shutil
import subprocess

import pytest
from harness.binaries import BINARIES, rows, run

CASE = "[echo.at_rate]\nconnections = 10\nmessages = 20\nbytes = 64\nrate = 1000\n"


@pytest.mark.parametrize("arrivals", ["", 'arrivals = "even"\n'])
def test_messages_come_at_the_rate_and_all_are_answered(tmp_path, arrivals):
    case = tmp_path / "case.toml"
    case.write_text(CASE + arrivals)
    found = rows("echo", case, "--backend=floor:epoll,coroutine:epoll,fiber:epoll")
    assert len(found) == 3
    for name, row in found.items():
        assert row.get("verified") == 1, (name, row.get("error_message"))
        assert row["offered_per_s"] == pytest.approx(1000)
        assert row["wall_s"] > 0.15, "200 messages are due in 0.2 s"
        # A machine that is busy with something else may make the load late; then it says so.
        assert ("latency_p50_s" in row) != ("label" in row)


def test_more_than_can_be_answered_is_told_in_words(tmp_path):
    case = tmp_path / "case.toml"
    case.write_text(CASE.replace("rate = 1000", "rate = 10_000_000").replace("20", "2000"))
    row = rows("echo", case, "--backend=coroutine:epoll")["echo/at_rate/coroutine:epoll"]
    assert row["label"].startswith("overloaded: answered ")
    assert row["verified"] == 1 and row["answered_share"] < 0.95
    assert not [name for name in row if name.startswith("latency_")]


def test_rates_that_take_too_long_are_not_tried(tmp_path):
    case = tmp_path / "case.toml"
    case.write_text(CASE.replace("rate = 1000", "rate = 1"))
    row = rows("echo", case, "--backend=coroutine:epoll")["echo/at_rate/coroutine:epoll"]
    assert row["error_message"] == "would take 200 s"


@pytest.mark.parametrize("rate", ["0", "-5", "1_000_000_000_000", "nan", "'much'"])
def test_rates_that_make_no_sense(tmp_path, rate):
    case = tmp_path / "case.toml"
    case.write_text(CASE.replace("1000", rate))
    done = run("echo", f"--workloads={case}")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert f"{case}:5: [echo.at_rate] rate = " in done.stderr
    assert "expected a whole number from 1 to 10000000" in done.stderr


STRANGER = """#!/usr/bin/python3
import os, socket, sys
port = int(sys.argv[sys.argv.index("--port") + 1])
socket.create_connection(("127.0.0.1", port)).close()
os.execv({load!r}, [{load!r}, *sys.argv[1:]])
"""


def test_a_stranger_who_connects_makes_no_server_wrong(tmp_path):
    program = shutil.copy(BINARIES / "bench_echo", tmp_path)
    load = tmp_path / "echo_load"
    load.write_text(STRANGER.format(load=str(BINARIES / "echo_load")))
    load.chmod(0o755)
    case = tmp_path / "case.toml"
    case.write_text("[echo.few]\nconnections = 3\nmessages = 20\nbytes = 64\n")
    chosen = "--backend=floor:epoll,coroutine:epoll,fiber:epoll,thread_per_task"
    command = [program, f"--workloads={case}", chosen, "--row_timeout=2"]
    said = subprocess.run([*command, "--benchmark_format=json"], capture_output=True, text=True)
    words = [row["error_message"] for row in json.loads(said.stdout)["benchmarks"]]
    assert len(words) == 4
    for each in words:
        assert each.startswith("failed: a connection echoed 0 bytes, expected 128 (failed: "), each
        assert each.endswith("; has somebody else connected?")


def test_reads_with_a_deadline_that_never_comes(tmp_path):
    case = tmp_path / "case.toml"
    case.write_text(CASE.replace("rate = 1000", "deadline_s = 30"))
    backends = "floor,coroutine:epoll,fiber:epoll,thread_per_task,process_per_task"
    found = rows("echo", case, f"--backend={backends}")
    assert "echo/at_rate/floor:epoll" not in found, "the floors have no deadlines"
    served = {name.split("/")[2] for name, row in found.items() if row.get("verified") == 1}
    assert served >= {"coroutine:epoll", "fiber:epoll", "thread_per_task", "process_per_task"}
