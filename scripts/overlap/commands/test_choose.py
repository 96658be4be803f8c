"""scripts/choose against fake binaries: what it asks for, what it picks, and what it refuses."""

import json
import re

import pytest

from overlap.commands import choose, stages
from overlap.commands.own_work import EchoWork, MixedWork
from overlap.testing.fake_suite import FakeSuite

BACKENDS = ("coroutine:uring", "thread_per_task")
CASES = (
    "mix/work",
    "heartbeat/work",
    "mix/work_10x_tasks",
    "mix/work_10x_compute",
    "sleeps/work",
    "sleeps/work_10x_tasks",
    "echo/work",
    "echo/work_10x_tasks",
    "echo/work_10x_rate",
    "fetch/work",
    "fetch/work_10x_tasks",
    "fetch/work_10x_wait",
    "query/work",
    "query/work_10x_tasks",
)
WALLS = {"mix/work_pace/sequential": 0.02, "coroutine:uring": 0.02, "placebo": 0.02}
WALLS |= {"thread_per_task": 0.03}


@pytest.fixture
def chosen(tmp_path, monkeypatch, capsys):
    """Runs the command, and returns its exit code with what it printed."""
    rows = [f"{case}/{backend}" for case in CASES for backend in BACKENDS]
    rows += [(f"{case}/sequential", "would take 40 s") for case in CASES]
    suite = FakeSuite(tmp_path / "build", rows)
    monkeypatch.setattr(choose, "FOLDER", tmp_path / "choose")
    monkeypatch.setattr(stages, "MOST_BLOCKS", 6)

    def run(words, walls=WALLS):
        (suite.directory / "walls.json").write_text(json.dumps(walls))
        status = choose.main([*words.split(), f"--build={suite.directory}"])
        return status, *capsys.readouterr()

    return run


def test_what_is_best_is_picked_and_the_others_have_their_costs(chosen, tmp_path):
    walls = WALLS | {"mix/work_10x_tasks/coroutine:uring": 0.06}
    status, page, errors = chosen("--tasks 2000 --wait 20ms", walls)
    assert status == 0, errors
    assert page.startswith("2,000 tasks that wait 20.0 ms, on ")
    assert "Pick coroutine:uring: nothing else is in its tier by time." in page
    needs = r"needs: time 20.[01] ms \[\S+ ms, \S+ ms\], CPU time .*memory 136 B per task"
    assert re.search(needs, " ".join(page.split()))
    assert re.search(r"^thread_per_task +1\.50 \[1\.\d+, 1\.\d+\] ▲", page, re.MULTILINE)
    assert re.search(r"^sequential +would take 40 s$", page, re.MULTILINE)
    changed = re.search(r"10 times the tasks \(20,000\): (.*) \(6 blocks\)", " ".join(page.split()))
    assert "thread_per_task, 30." in changed[1] and "instead of coroutine:uring" in changed[1]
    lines = [line for line in page.splitlines() if "./scripts" not in line]
    assert max(map(len, lines)) <= 100 and len(lines) < 30
    (specification,) = (path for path in (tmp_path / "choose").glob("*Z.toml"))
    assert f"--workloads {specification}" in page
    assert specification.read_text().startswith(
        "[mix.work]\ntasks = 2000\nrounds = 1\nwait_s = 0.02\n"
    )


def test_a_server_is_judged_by_its_latency_at_the_offered_rate(chosen, tmp_path):
    walls = WALLS | {"echo/work_10x_rate/coroutine:uring": 0.06}
    status, page, errors = chosen("--io echo --tasks 100 --rate 5k --bytes 1KB", walls)
    assert status == 0, errors
    said = " ".join(page.split())
    assert said.startswith("an echo server of 100 connections that send 5,000 messages per second")
    assert (
        "Pick coroutine:uring: nothing else is in its tier by 99th percentile of latency." in said
    )
    assert re.search(r"10 times the rate \(50,000 per second\): thread_per_task", said)
    (specification,) = (path for path in (tmp_path / "choose").glob("*Z.toml"))
    keys = "connections = 100\nmessages = 50\nbytes = 1000\nrate = 5000\n"
    assert specification.read_text() == f"[echo.work]\n{keys}"


def test_without_a_rate_a_server_is_asked_as_fast_as_it_answers(chosen):
    status, page, errors = chosen("--io echo --tasks 10 --want cpu --dry-run")
    assert status == 0, errors
    assert "[echo.work]\nconnections = 10\nmessages = 5000\nbytes = 64\n\n" in page
    assert "then 10 times the connections (100)" in page and "rate" not in page


def test_clients_are_judged_by_the_time_that_they_need(chosen, tmp_path):
    server = "--http http://127.0.0.1:9"
    status, page, errors = chosen(f"--io fetch --tasks 100 --wait 10ms {server}")
    assert status == 0, errors
    said = " ".join(page.split())
    assert said.startswith(
        "100 tasks, each of which gets 20 JSON documents from nginx, which waits 10"
    )
    assert "Pick coroutine:uring: nothing else is in its tier by time." in said
    assert "10 times the wait (100 ms): the same" in said
    assert f"--profile standard {server}" in said
    (specification,) = (tmp_path / "choose").glob("*Z.toml")
    keys = "connections = 100\nrequests = 20\ndelay_s = 0.01\n"
    assert specification.read_text() == f"[fetch.work]\n{keys}"


def test_as_many_queries_are_asked_as_said(chosen):
    server = "--postgres postgresql://me@127.0.0.1:9/bench"
    status, page, errors = chosen(f"--io query --tasks 20 --rounds 5 {server} --dry-run")
    assert status == 0, errors
    assert "[query.work]\nconnections = 20\nqueries = 5\n\n" in page


def test_clients_of_a_server_that_is_not_there_say_what_it_needs(chosen, monkeypatch):
    monkeypatch.setattr("overlap.servers.nginx.missing", lambda: "nginx-light")
    status, _, errors = chosen("--io fetch --tasks 20")
    assert status == 2
    assert "--io fetch: needs nginx-light: ./scripts/setup --io installs" in errors


def test_what_needs_too_much_memory_is_not_picked(chosen):
    status, page, errors = chosen("--tasks 2000 --wait 20ms --memory 3MB --want cpu")
    assert status == 0, errors
    assert "Pick coroutine:uring" in page
    assert re.search(r"^thread_per_task +needs 4.0[89] MB, more than 3.00 MB$", page, re.MULTILINE)


def test_where_nothing_can_be_measured_there_is_no_pick(chosen):
    status, page, _ = chosen("--tasks 20 --wait 20ms", {"mix/work_pace/sequential": 0.02})
    assert status == 1 and "Nothing was measured that could be picked." in page
    assert re.search(r"^thread_per_task +limit: 3 processes$", page, re.MULTILINE)


def test_a_dry_run_shows_the_case_and_the_time_and_leaves_nothing(chosen, tmp_path):
    words = "--tasks 2,000 --wait 20ms --compute 10us --rounds 2 --cores 1 --dry-run"
    status, page, errors = chosen(words)
    assert status == 0, errors
    assert re.search(
        r"\[mix.work\]\ntasks = 2000\nrounds = 2\nwait_s = 0.02\nwork = \d+\ncores = 1\n", page
    )
    assert re.search(r"\[heartbeat.work\]\ntasks = 2000\nwork = (99|100)\d\d\nparts = 2\n", page)
    assert re.search(r"^takes about \d+ (s|min)$", page, re.MULTILINE)
    assert "then 10 times the tasks (20,000)" in page
    assert not list((tmp_path / "choose").iterdir())


@pytest.mark.parametrize(
    "words, why",
    [
        ("--tasks 20", "the tasks do nothing"),
        ("--tasks 20 --wait 20", "argument --wait: '20': expected a duration such as"),
        ("--tasks 0 --wait 1ms", "argument --tasks: '0': expected a whole number from 1"),
        ("--tasks 20 --wait 1ms --memory 1", "argument --memory: '1': expected a size"),
        ("--tasks 20 --wait 1ms --memory 1GB", "expected --tasks 1000 or more"),
        ("--tasks 20 --wait 1ms --want responsive", "add --compute"),
        ("--tasks 20 --wait 1ms --cores 4000", "the cores there are here"),
        ("--tasks 20 --wait 1ms --want rank", "invalid choice"),
        ("--wait 1ms", "required: --tasks"),
        ("--tasks 1M --compute 1s", "give a part of the tasks"),
        ("--tasks 2 --compute 5s", "expected 4 at most"),
        ("--tasks 20 --wait 1ms --rate 5k", "--rate: of messages; add --io echo"),
        ("--tasks 20 --io echo --compute 1ms", "--compute: a server that echoes only answers"),
        ("--tasks 20 --io echo --rate 0", "argument --rate: '0': expected a whole number from 1"),
        ("--tasks 20 --io echo --bytes 1.5B", "expected a whole number of bytes"),
        ("--tasks 20 --io echo --want responsive", "--want time, with a --rate"),
        ("--tasks 20 --io gopher", "invalid choice"),
        ("--tasks 20 --io fetch --compute 1ms", "--compute: not of clients"),
        ("--tasks 20 --io fetch --wait 1.5ms", "expected whole milliseconds"),
        ("--tasks 20k --io query", "expected at most 10,000 --tasks"),
        ("--tasks 20 --io query --want memory", "expected time or cpu"),
    ],
)
def test_what_was_asked_wrongly_is_one_line_and_code_2(chosen, words, why):
    status, page, errors = chosen(words)
    assert status == 2 and page == ""
    assert why in errors.splitlines()[-1]
    assert errors.startswith(("usage: ", "scripts/choose: ")) and "Traceback" not in errors


def test_what_cannot_be_opened_leaves_no_case_behind(chosen, tmp_path):
    status, _, errors = chosen("--tasks 20 --wait 1ms --peers nosuch")
    assert status == 2 and "no peer 'nosuch'" in errors
    assert not list((tmp_path / "choose").iterdir())


def test_neighbours_have_ten_times_as_much_of_one_thing():
    tasks, compute = MixedWork(30, wait_s=0.01, compute_s=0.002).neighbours().values()
    assert (tasks.tasks, tasks.compute_s) == (300, 0.002)
    assert (compute.tasks, compute.compute_s) == (30, 0.02)
    assert list(MixedWork(30, wait_s=0.01).neighbours()) == ["10 times the tasks (300)"]
    connections, rate = EchoWork(100, rate=1000).neighbours().values()
    assert (connections.tasks, connections.rate) == (1000, 1000)
    assert (rate.tasks, rate.rate) == (100, 10_000)
