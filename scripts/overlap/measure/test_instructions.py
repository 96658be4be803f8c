import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from overlap.base.machine import ROOT
from overlap.measure.instructions import (
    InstructionCount,
    smallest,
    smallest_items,
    why_no_instructions,
    why_not_of,
)
from overlap.measure.syscalls import Case
from overlap.records.rows import Row

SPECIFICATION = (ROOT / "bench" / "workloads.toml").read_text()
needs_valgrind = pytest.mark.skipif(bool(why_no_instructions()), reason=why_no_instructions())
CASE = Case("gather", "g", {"fan_out": 1001})
COUNTERS = {"wall_s": 1.0, "wall_per_task_s": 1 / 1001}


def row(workload, backend):
    return Row(f"{workload}/c/{backend}", workload, "c", backend, 1, "task", 0.0, "")


def test_the_smallest_case_has_one_task_and_the_other_keys():
    for workload in ("sleeps", "gather", "echo"):
        for name in tomllib.loads(SPECIFICATION)[workload]:
            case = Case.of(SPECIFICATION, workload, name)
            least = smallest(case)
            text = tomllib.loads(least.with_iterations(3))[workload][name]
            assert text["iterations"] == 3
            assert not ("delays_s" in text and "delay_s" in text)
            assert smallest_items(least) == text.get("connections", 1)


@pytest.mark.parametrize(
    ("workload", "backend", "words"),
    [
        ("gather", "coroutine:uring", ""),
        ("echo", "floor:epoll", ""),
        ("mix", "coroutine:uring", "compute or wait"),
        ("gather", "process_pool", "spinning"),
    ],
)
def test_rows_whose_instructions_tell_nothing_are_left_out(workload, backend, words):
    assert words in why_not_of(row(workload, backend))
    assert bool(words) == bool(why_not_of(row(workload, backend)))


def test_a_peers_instructions_are_not_taken_for_those_of_the_harness():
    peer = replace(row("gather", "go"), model="fibers", language="Go", version="1")
    assert "valgrind does not follow" in why_not_of(peer)


def fake_valgrind(tmp_path, monkeypatch, body):
    """A valgrind that is a shell script: $report is where its counts belong, $tasks and $iterations
    are those of the case."""
    path = tmp_path / "valgrind"
    path.write_text(
        "#!/bin/sh\n"
        'for word; do case "$word" in\n'
        "  --cachegrind-out-file=*) report=${word#*=}; report=${report%%%p};;\n"
        "  --workloads=*) file=${word#*=};;\n"
        "esac; done\n"
        "iterations=$(sed -n 's/^iterations = //p' \"$file\")\n"
        "tasks=$(sed -n 's/^fan_out = //p' \"$file\")\n"
        'answer=\'{"benchmarks": [{"name": "gather/g/x", "wall_s": 1.0, "verified": 1}]}\'\n'
        f"{body}\n"
    )
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return InstructionCount(Path("/nonexistent"), ["--workloads=/nonexistent"], 2.0)


def test_what_is_not_a_tasks_own_cancels(tmp_path, monkeypatch):
    counting = fake_valgrind(
        tmp_path,
        monkeypatch,
        'echo "summary: $((7000000 + iterations * (90000 + tasks * 240)))" > "${report}1"\n'
        'echo "summary: 5000" > "${report}2"\n'
        'echo "$answer"',
    )
    assert counting.per_task("gather/g/x", CASE, COUNTERS) == pytest.approx(240)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("exit 3", "failed under valgrind: exit code 3"),
        ("sleep 30", "timeout"),
        ('echo "$answer"; touch "${report}1"', "no summary"),
        ("echo '{}'", "under valgrind: unreadable"),
    ],
)
def test_what_cannot_be_counted_is_said_in_words(tmp_path, monkeypatch, body, words):
    counting = fake_valgrind(tmp_path, monkeypatch, body)
    with pytest.raises(ValueError, match=words):
        counting.per_task("gather/g/x", CASE, COUNTERS)


def test_few_tasks_would_drown_in_what_the_harness_does():
    with pytest.raises(ValueError, match="fewer than"):
        InstructionCount(Path("/nonexistent"), [], 2.0).per_task(
            "gather/g/x",
            Case("gather", "g", {"fan_out": 1}),
            {"wall_s": 1, "wall_per_task_s": 0.01},
        )


@needs_valgrind
def test_cachegrind_counts_a_program_and_what_it_forks(tmp_path):
    """A shell that forks does a little more than one that does not, and both do a good deal."""
    script = tmp_path / "bench"
    script.write_text(
        "#!/bin/sh\n"
        'for word; do case "$word" in --workloads=*) file=${word#*=};; esac; done\n'
        "iterations=$(sed -n 's/^iterations = //p' \"$file\")\n"
        "tasks=$(sed -n 's/^fan_out = //p' \"$file\")\n"
        "i=0; while [ $i -lt $((iterations * tasks * 10)) ]; do i=$((i + 1)); done\n"
        'echo \'{"benchmarks": [{"name": "gather/g/x", "wall_s": 1.0, "verified": 1}]}\'\n'
    )
    script.chmod(0o755)
    counting = InstructionCount(Path(shutil.which("sh")), [str(script)], 60.0)
    found = counting.per_task("gather/g/x", CASE, COUNTERS)
    again = counting.per_task("gather/g/x", CASE, COUNTERS)
    assert found > 100 and found == pytest.approx(again, rel=0.01)
