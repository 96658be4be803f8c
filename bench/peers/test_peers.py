"""Rows on peers: every peer that is here does every workload, and a cheat is caught in words."""

import json
import os
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from harness.binaries import (
    BINARIES,
    BRIEF,
    FEW,
    LEAST_OF_A_THREAD,
    ROOT,
    WORKLOADS,
    rows,
    run,
)

from overlap.peers.build import find_peers, prepare
from overlap.testing.record_schema import faults_of_file

CHEAT = Path(__file__).with_name("cheating_peer.py")
SMALL = (
    FEW
    + """
[sleeps.uniform]
tasks = 20
delay_s = { min = 0.0, max = 0.02, seed = 9007199254740993 }
[sleeps.listed]
delays_s = [0.03, 0, 0.01]
iterations = 2
[gather.tree]
fan_out = 3
depth = 3
work = 1
[gather.slow]
fan_out = 2
work = 400_000
[echo.long]
connections = 2
messages = 1500
bytes = 64
"""
)


# That not every peer knows, or that need a server, which the tests of these workloads have.
ELSEWHERE = ("cancel", "channel", "ping_pong", "fetch", "query", "serve")
NO_SERVERS = ("dask",)
NO_ROW = ("no workload: ", "limit: ", "not available: needs ")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("peers") / "small.toml"
    path.write_text(SMALL)
    return path


@pytest.fixture(scope="module")
def here():
    """What the peers of this checkout are, by name, and the directory that says so: that of
    scripts/run, so that what takes minutes to build is built once."""
    directory = BINARIES.parent / "peers"
    prepare(find_peers(), directory)
    names = [peer.name for peer in find_peers()]
    return directory, {name: json.loads((directory / f"{name}.json").read_text()) for name in names}


@pytest.mark.parametrize("workload", WORKLOADS)
@pytest.mark.parametrize("name", [peer.name for peer in find_peers()])
def test_every_peer_does_every_workload(name, workload, small, here):
    directory, peers = here
    peer = peers[name]
    if peer["skip"]:
        pytest.skip(peer["skip"])
    options = [f"--peers={directory}", f"--backend={name}"]
    found = rows(workload, small, *options)
    listed = json.loads(run(workload, f"--workloads={small}", *options, "--list_rows").stdout)
    tasks = {row["row"]: row["tasks"] for row in listed["rows"]}
    assert list(found) == list(tasks) != []
    for row_name, row in found.items():
        elsewhere = workload in ELSEWHERE or (name in NO_SERVERS and workload == "echo")
        if elsewhere and str(row.get("error_message")).startswith(NO_ROW):
            continue
        assert row.get("verified") == 1, (row_name, row.get("error_message"))
        assert row["startup_s"] > 0 and row["cpu_s"] >= 0
        assert row["later_runs"] >= 0 and row["cold_wall_s"] > 0
        if row_name.startswith(("gather/", "sleeps/listed/")):
            assert row["later_runs"] == 1
        most = min(tasks[row_name], peer["task_limit"] or 1_000_000)
        inner_tasks = 2 if "/tree/" in row_name else 0  # Their children are in flight beside them.
        assert 1 <= row["peak_in_flight"] <= most + inner_tasks * most
        assert row["concurrency"] <= row["peak_in_flight"] * 1.01


def test_a_peers_memory_of_a_task_is_had_where_starting_all_takes_longer(tmp_path, here):
    directory, peers = here
    if peers["std_async"]["skip"]:
        pytest.skip(peers["std_async"]["skip"])
    brief = tmp_path / "brief.toml"
    brief.write_text(BRIEF)
    (row,) = rows("sleeps", brief, f"--peers={directory}", "--backend=std_async").values()
    assert row["peak_in_flight"] < 1000, "otherwise this shows nothing"
    assert LEAST_OF_A_THREAD < row["bytes_per_task"] < 10 * LEAST_OF_A_THREAD


def resets_after_one_message(port):
    """A client that ends its connection in a way that is an error for who reads from it."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("name", [peer.name for peer in find_peers()])
def test_every_peer_says_which_workload_it_does_not_know(name, here):
    peer = here[1][name]
    if peer["skip"]:
        pytest.skip(peer["skip"])
    run = {"request": "run", "workload": "juggling", "case": {}, "seed": 1}
    run |= {"repeat": 1, "trace": True}
    lines = json.dumps(run) + "\n"
    done = subprocess.run(
        peer["command"],
        input=2 * lines,
        cwd=peer["folder"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert list(map(json.loads, done.stdout.splitlines()))[1:] == 2 * [{"no_workload": True}]
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["python_threads", "std_async", "boost_fiber"])
def test_an_error_in_a_task_ends_the_peer_although_others_wait(name, here):
    peer = here[1][name]
    if peer["skip"]:
        pytest.skip(peer["skip"])
    run = {
        **{"request": "run", "workload": "echo", "seed": 1, "repeat": 1, "trace": False},
        "case": {"connections": 2, "buffer_bytes": 4096},
    }
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(peer["command"], **pipes) as process:
        patience = threading.Timer(20, process.kill)
        patience.start()
        try:
            assert "hello" in json.loads(process.stdout.readline())
            process.stdin.write(json.dumps(run) + "\n")
            process.stdin.flush()
            port = json.loads(process.stdout.readline())["port"]
            with socket.create_connection(("127.0.0.1", port)):
                resets_after_one_message(port)
                assert "reset by peer" in json.loads(process.stdout.readline())["error"]
                assert process.wait() == 1
        finally:
            patience.cancel()
            process.kill()


def cheat(tmp_path, misdeed, workload, small, *options, task_limit=None, row_timeout=20):
    """The rows of a peer with a misdeed."""
    told = {
        "name": "cheat",
        "language": "Python",
        "model": "event loop",
        "order": 1,
        "version": "1",
        "command": [
            "env",
            f"PYTHONPATH={ROOT}/runtimes/peers/python",
            "PYTHONDONTWRITEBYTECODE=1",
            "/usr/bin/python3",
            str(CHEAT),
            misdeed,
        ],
        "task_limit": task_limit,
        "skip": "",
    }
    (tmp_path / "cheat.json").write_text(json.dumps(told))
    found = rows(
        workload,
        small,
        f"--peers={tmp_path}",
        "--backend=cheat",
        f"--row_timeout={row_timeout}",
        *options,
    )
    return {name.split("/")[1]: row for name, row in found.items()}


@pytest.mark.parametrize("workload", [each for each in WORKLOADS if each not in ELSEWHERE])
def test_without_a_misdeed_the_cheat_is_an_honest_peer(tmp_path, workload, small):
    found = cheat(tmp_path, "nothing", workload, small)
    assert all(row.get("verified") == 1 for row in found.values()), found


@pytest.mark.parametrize(
    "misdeed, row, words",
    [
        ("skip_sleeping", "sleeps/few", "wrong: all tasks were done before the longest sleep"),
        ("wake_early", "sleeps/few", "wrong: 4 tasks woke early"),
        ("one_by_one", "sleeps/few", "wrong: ran at most 1 of 4 tasks at once, expected 4"),
        ("take_from_results", "sleeps/few", "wrong: 3 of 4 results"),
        ("skip_computing", "gather/tree", "wrong: result 0 is "),
        ("answer_from_memory", "gather/tree", "wrong: result 0 is "),
        ("answer_from_memory", "gather/slow", "wrong: result 0 is "),
        ("answer_from_memory", "heartbeat/few", "wrong: result 0 is "),
        ("answer_from_memory", "mix/few", "wrong: result 0 is "),
        ("compute_one_repetition", "gather/few", "wrong: the results of repetition 1 add up to "),
        ("equal_work", "gather/few", "wrong: result 0 is "),
        ("resume_at_once", "gather/few", "wrong: ran at most 1 of 20 tasks at once, expected 2"),
        ("take_from_results", "gather/few", "wrong: 19 of 20 results"),
        ("skip_beating", "heartbeat/few", "wrong: the heart beat faster than its interval"),
        ("skip_waiting", "mix/few", "wrong: all tasks were done before one could have waited"),
        ("take_from_results", "echo/few", "wrong: 2 of 3 results"),
        ("report_half", "sleeps/few", "failed: the clocks part: the peer says that it ran for 0."),
        ("report_half", "gather/slow", "failed: the clocks part: the peer says that it ran for 0."),
        ("report_half", "echo/long", "failed: the clocks part: the peer says that it ran for 0."),
        ("hide_8_ms", "gather/few", "failed: the clocks part: the peer says that it ran for 0."),
        ("stand_still", "gather/few", "wrong: says that it ran for 0 s"),
        (
            "run_forever",
            "gather/few",
            "wrong: says that it ran for 1e+308 s, but answered after 0.",
        ),
        ("forget_a_flight", "gather/few", "wrong: 19 of 20 flights"),
        ("linger_over_flights", "gather/few", " traced runs; is the machine busy?"),
        ("land_at_once", "sleeps/few", "wrong: tasks were in flight for 0.000000 s all together"),
        ("land_before_taking_off", "mix/few", "wrong: a task ended before it began"),
        ("fly_for_an_hour", "gather/few", "wrong: tasks were in flight over 3600."),
        ("die", "gather/few", "failed: the peer was killed by signal 9"),
        ("leave", "gather/few", "failed: the peer exited with 3 without an answer (gone fishing)"),
        ("talk_nonsense", "gather/few", 'failed: the peer said "hello there", expected an object'),
        ("talk_without_end", "gather/few", "failed: the peer said a line without end: la la la"),
        ("answer_another_question", "gather/few", "expected an object with wall_s"),
        ("complain", "gather/few", "failed: the peer says: the moon is in the wrong place"),
        ("complain_in_colour", "gather/few", "failed: the peer says:  [31mred [0m alert "),
        ("complain_in_latin_1", "gather/few", 'failed: the peer said "oh d\ufffdar", expected an'),
        ("write_nothing", "gather/few", "failed: the peer says that written is false"),
        ("name_a_limit", "gather/few", "limit: 3 tasks on Sundays"),
        ("know_no_workload", "gather/few", "no workload: the peer has no gather"),
    ],
)
def test_a_cheat_is_caught(tmp_path, misdeed, row, words, small):
    workload, case = row.split("/")
    found = cheat(tmp_path, misdeed, workload, small, f"--benchmark_filter={row}/")
    assert words in found[case].get("error_message", "no error"), found[case]


def test_wrong_bytes_are_caught_by_the_load(tmp_path, small):
    found = cheat(tmp_path, "wrong_bytes", "echo", small)
    assert "byte" in found["few"]["error_message"], found


def test_serving_one_connection_after_another_is_caught_by_the_load(tmp_path, small):
    one_row = "--benchmark_filter=few/"
    found = cheat(tmp_path, "echo_one_by_one", "echo", small, one_row, row_timeout=8)
    words = "while 1 of the 3 that should be served at once had one and stayed open"
    assert words in found["few"]["error_message"], found


def test_a_peer_that_hangs_is_a_time_out_and_is_ended(tmp_path, small):
    found = cheat(tmp_path, "hang", "gather", small, "--benchmark_filter=few", row_timeout=1)
    assert found["few"]["error_message"] == "timeout: not done after 1 s"


@pytest.mark.parametrize(
    "misdeed, row_timeout, words",
    [
        ("leave_somebody_behind", 20, ""),
        ("leave_somebody_behind_and_hang", 1, "timeout: not done after 1 s"),
    ],
)
def test_what_a_peer_has_started_is_ended_with_it(
    tmp_path, misdeed, row_timeout, words, small, monkeypatch
):
    monkeypatch.setenv("LEFT_BEHIND", str(tmp_path / "processes"))
    row = "--benchmark_filter=few"
    found = cheat(tmp_path, misdeed, "gather", small, row, row_timeout=row_timeout)
    assert found["few"].get("error_message", "") == words
    started = (tmp_path / "processes").read_text().split()
    assert started and not [pid for pid in started if os.path.exists(f"/proc/{pid}")]


def test_a_row_that_would_take_too_long_says_so_after_its_warm_up(tmp_path):
    specification = tmp_path / "slow.toml"
    specification.write_text("[gather.slow]\nfan_out = 2\nwork = 400_000\niterations = 1000\n")
    found = cheat(tmp_path, "nothing", "gather", specification, row_timeout=10)
    error = found["slow"]["error_message"]
    assert error.startswith("would take ") and error.endswith("more than the 10 s that a row may")


def test_sleeps_that_a_limit_makes_too_long_are_not_begun(tmp_path, small):
    found = cheat(
        tmp_path,
        *("hang", "sleeps", small, "--budget=0.1", "--benchmark_filter=few/"),
        task_limit=1,
    )
    assert found["few"]["error_message"].startswith("would take")


def test_a_peer_that_cannot_be_started_is_told_in_words(tmp_path, small):
    path = tmp_path / "cheat.json"
    cheat(tmp_path, "nothing", "gather", small, "--benchmark_filter=few")
    told = json.loads(path.read_text()) | {"command": ["/nonexistent/peer"]}
    path.write_text(json.dumps(told))
    found = rows("gather", small, f"--peers={tmp_path}", "--backend=cheat")
    error = found["gather/few/cheat"]["error_message"]
    assert "cannot run /nonexistent/peer in .: No such file or directory" in error


def test_a_peer_that_is_skipped_says_why(tmp_path, small):
    told = {
        **{"name": "moon", "language": "Lunar", "model": "fibers", "order": 1, "version": ""},
        **{"command": ["false"], "task_limit": None, "skip": "skipped: needs moon-dev"},
    }
    (tmp_path / "moon.json").write_text(json.dumps(told))
    found = rows("gather", small, f"--peers={tmp_path}", "--backend=moon")
    assert {row["error_message"] for row in found.values()} == {"skipped: needs moon-dev"}
    listed = run("gather", f"--workloads={small}", f"--peers={tmp_path}", "--list_rows")
    listed = [row for row in json.loads(listed.stdout)["rows"] if row["backend"] == "moon"]
    assert {(row["language"], row["model"]) for row in listed} == {("Lunar", "fibers")}


@pytest.mark.parametrize(
    "content, words",
    [
        (None, "no peers there"),
        ("{", "describes no peer"),
        ('{"name": "x"}', "describes no peer"),
    ],
)
def test_a_directory_without_sound_peers_is_a_usage_error(tmp_path, small, content, words):
    if content:
        (tmp_path / "x.json").write_text(content)
    done = run("gather", f"--workloads={small}", f"--peers={tmp_path}", "--list_rows")
    assert done.returncode == 2 and words in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_peer_may_not_have_the_name_of_a_backend(tmp_path, small):
    cheat(tmp_path, "nothing", "gather", small, "--benchmark_filter=few")
    told = json.loads((tmp_path / "cheat.json").read_text()) | {"name": "thread_pool"}
    (tmp_path / "cheat.json").write_text(json.dumps(told))
    done = run("gather", f"--workloads={small}", f"--peers={tmp_path}", "--list_rows")
    assert done.returncode == 2 and "two backends are called thread_pool" in done.stderr


@pytest.fixture
def build(tmp_path, here):
    """A build directory with the binaries and the peers of this checkout."""
    directory, peers = here
    if peers["asyncio"]["skip"]:
        pytest.skip(peers["asyncio"]["skip"])
    (tmp_path / "bench").symlink_to(BINARIES)
    (tmp_path / "peers").symlink_to(directory)
    return tmp_path


@pytest.fixture
def finished_run(build, small):
    """The record of one on asyncio."""
    assert scripts_run(build, small, "--peers", "asyncio").returncode == 0
    return (build / "run.jsonl").read_text()


def scripts_run(build, small, *options):
    return subprocess.run(
        [
            *(sys.executable, "-m", "overlap.commands.run", "--build", build, "--workloads", small),
            *("--output", build / "run.jsonl", "--filter", "gather/few/(floor|asyncio|uvloop)$"),
            *("--blocks", "1", "--no-repeats", "--profile", "smoke", "--format", "markdown"),
            *options,
        ],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "scripts")},
    )


def test_a_run_has_peers_in_its_blocks_tables_and_records(build, small, here):
    done = scripts_run(build, small, "--peers", "asyncio")
    assert done.returncode == 0, done.stderr
    assert "| few | asyncio | event loop | Python | Python 3." in done.stdout
    assert "uvloop" not in done.stdout
    assert faults_of_file(build / "run.jsonl") == []
    head, *records = map(json.loads, (build / "run.jsonl").read_text().splitlines())
    (told,) = [row for row in head["rows"] if row["backend"] == "asyncio"]
    assert (told["language"], told["model"]) == ("Python", "event loop")
    assert told["version"] == here[1]["asyncio"]["version"]
    assert head["binaries"]["peers/asyncio"] == here[1]["asyncio"]["digest"]
    counters = [r["counters"] for r in records if r.get("backend") == "asyncio"]
    assert len(counters) == 1 and counters[0]["startup_s"] > 0


@pytest.mark.parametrize(
    "before, after, words",
    [
        (
            '"peers/asyncio":"',
            '"peers/asyncio":"0',
            "cannot resume {}: the peer asyncio has changed",
        ),
        ('"peers/asyncio":', '"peers/moon":"0","peers/asyncio":', "the peer moon is gone"),
        ('"peers/asyncio":', '"moon":', "have changed (they were of commit "),
        ('"peers/asyncio":', '"moon":', "); the peer asyncio is new"),
        ('"peers":"asyncio"', '"peers":"moon"', "cannot resume {}: the record's peer moon is gone"),
    ],
)
def test_a_run_on_other_peers_is_not_resumed(finished_run, tmp_path, before, after, words):
    path = tmp_path / "run.jsonl"
    assert before in finished_run
    path.write_text(finished_run.replace(before, after))
    command = [sys.executable, "-m", "overlap.commands.run", "--resume", "--output", path]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "scripts")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 2 and words.format(path) in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "options, words",
    [
        (["--peers", ""], "scripts/run: --peers '': no peer ''; expected "),
        (["--peers", "moon"], "scripts/run: --peers moon: no peer 'moon'; expected "),
        (["--backend", "go"], "no backend 'go'; expected floor, sequential"),
        (["--backend", "go"], "; there are more with --peers"),
        (["--peers", "asyncio", "--model", "fibres"], "no model 'fibres'; expected floor, sequ"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(build, small, options, words):
    done = scripts_run(build, small, "--list", *options)
    assert done.returncode == 2 and words in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1
