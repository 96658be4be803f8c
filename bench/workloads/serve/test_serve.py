"""Cases of serve, from the workload file to the row."""

import shutil
import subprocess
import json

import pytest
from harness.binaries import BINARIES, rows, run

CASE = """[serve.small]
connections = 10
messages = 20
bytes = 64
rate = 1000
work = 1000
one_in = 5
"""


def test_the_others_have_a_latency_and_connections_are_compared(tmp_path):
    case = tmp_path / "case.toml"
    case.write_text(CASE)
    backends = "coroutine:epoll,sharded_coroutine:epoll,fiber:epoll,thread_per_task"
    found = rows("serve", case, f"--backend={backends},process_per_task")
    assert len(found) == 5
    for name, row in found.items():
        assert row.get("verified") == 1, (name, row.get("error_message"))
        assert row["offered_per_s"] == pytest.approx(1000)
        # A machine that is busy with something else may make the load late; then it says so.
        assert ("latency_p50_s" in row) == ("slowest_connection_ratio" in row) != ("label" in row)
        assert row.get("slowest_connection_ratio", 1) >= 1


def test_all_that_is_computed_is_in_the_cpu_time(tmp_path):
    case = tmp_path / "case.toml"
    case.write_text(CASE.replace("work = 1000", "work = 2_000_000"))
    row = rows("serve", case, "--backend=coroutine:epoll")["serve/small/coroutine:epoll"]
    steps = 200 / 5 / 2 * 2_000_000  # At least, of those that were asked for on average.
    # Ten times what the messages themselves take. How much of it is the user's, ticks decide by chance.
    assert row["cpu_s"] > steps * 0.5e-9, "three shifts and three xors in a row take longer"


STAND_IN = """#!/usr/bin/python3
import os, sys
words = [each for each in sys.argv[1:]]
words[words.index("--one-in") + 1] = "1000000"
os.execv({load!r}, [{load!r}, *words])
"""


def test_a_server_that_has_computed_less_than_was_asked_for_is_wrong(tmp_path):
    """It is the load that asks for too little, which a server that skips work cannot be told from."""
    program = shutil.copy(BINARIES / "bench_serve", tmp_path)
    load = tmp_path / "echo_load"
    load.write_text(STAND_IN.format(load=str(BINARIES / "echo_load")))
    load.chmod(0o755)
    case = tmp_path / "case.toml"
    case.write_text(CASE)
    command = [program, f"--workloads={case}", "--backend=coroutine:epoll"]
    said = subprocess.run([*command, "--benchmark_format=json"], capture_output=True, text=True)
    (row,) = json.loads(said.stdout)["benchmarks"]
    assert row["error_message"].startswith("wrong: messages asked for "), row
    assert row["error_message"].endswith("steps, and 0 were computed")


@pytest.mark.parametrize(
    "key, value, expected",
    [
        ("bytes", "7", "8 or more"),
        ("work", "0", "a whole number from 1"),
        ("work", "-5", "a whole number from 1"),
        ("one_in", "1", "a whole number from 2"),
        ("rate", "0", "a whole number from 1"),
    ],
)
def test_cases_that_make_no_sense(tmp_path, key, value, expected):
    lines = [f"{key} = {value}" if each.startswith(key) else each for each in CASE.splitlines()]
    case = tmp_path / "case.toml"
    case.write_text("\n".join(lines))
    done = run("serve", f"--workloads={case}")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert f"[serve.small] {key} = {value}: expected {expected}" in done.stderr
