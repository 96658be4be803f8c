"""scripts/doctor: what it says of a machine, and against fake binaries."""

import os
import pty
import re
import subprocess
import sys

import pytest

from overlap.base.cgroups import Limits
from overlap.base.machine import ROOT
from overlap.commands.doctor import Watched, noise, status_of
from overlap.measure import diagnosis
from overlap.measure.diagnosis import CHECKS, Finding, Level
from overlap.testing.fake_suite import FakeSuite
from overlap.measure.syscalls import why_no_syscalls

ROWS = ["gather/ok/floor", "gather/ok/sequential"]


def command(directory, *arguments):
    return [sys.executable, "-m", "overlap.commands.doctor", "--build", str(directory), *arguments]


def doctor(directory, *arguments, **environment):
    environment = os.environ | {"PYTHONPATH": str(ROOT / "scripts")} | environment
    return subprocess.run(
        command(directory, *arguments), capture_output=True, text=True, env=environment
    )


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_check_has_words_for_this_machine(check):
    found = check()
    assert found.subject and found.found and "\n" not in found.found
    assert bool(found.costs) == (found.level is not Level.GOOD)


@pytest.mark.parametrize(
    ("files", "check", "words"),
    [
        ({"current_clocksource": "hpet"}, diagnosis.clock, "hpet"),
        ({"scaling_governor": "powersave"}, diagnosis.governor, "powersave"),
        ({"pressure/cpu": ""}, diagnosis.pressure, "not told by this kernel"),
        ({"pressure/cpu": "some avg10=55.5 avg60=1"}, diagnosis.pressure, "55.5%"),
        ({"pid_max": "500"}, diagnosis.processes, "500 at once"),
        ({"max_map_count": "1000"}, diagnosis.mappings, "1,000 for a process"),
        ({"meminfo": "MemAvailable:   1000000 kB"}, diagnosis.memory, "1.02 GB available"),
    ],
)
def test_what_lacks_is_named_with_its_cost(monkeypatch, files, check, words):
    read = diagnosis._read

    def changed(path):
        return next((text for end, text in files.items() if path.endswith(end)), read(path))

    monkeypatch.setattr(diagnosis, "_read", changed)
    found = check()
    assert found.level is Level.LIMIT and words in found.found and found.costs


def test_one_core_is_a_limit(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3})
    assert diagnosis.cores().level is Level.LIMIT and "P never passes 1" in diagnosis.cores().costs


def test_what_a_cgroup_allows_is_a_limit_where_it_is_less(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    monkeypatch.setattr(diagnosis, "limits", lambda: Limits(0.5, 2_000_000, 300))
    assert diagnosis.quota().level is Level.LIMIT
    assert "held to 0.5 cores by a cgroup" in diagnosis.quota().found
    assert diagnosis.memory().level is Level.LIMIT and "2.00 MB" in diagnosis.memory().found
    assert "300 at once" in diagnosis.processes().found
    monkeypatch.setattr(diagnosis, "limits", lambda: Limits(cpus=2.0))
    assert diagnosis.quota().level is Level.GOOD


def test_a_kernel_without_io_uring_says_why(monkeypatch):
    monkeypatch.setattr(diagnosis, "IO_URING_SETUP", 100_000)
    assert diagnosis.why_no_io_uring() == "ENOSYS: Function not implemented"
    assert diagnosis.io_uring().level is Level.LIMIT


def test_tools_that_are_missing_are_named(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    why_no_syscalls.cache_clear()
    try:
        assert "linux-perf" in diagnosis.tracepoints().found
        assert diagnosis.hardware_counters().level is Level.NOTE
        assert "valgrind is not installed" in diagnosis.cachegrind().found
        assert "g++ not found" in diagnosis.versions().found
    finally:
        why_no_syscalls.cache_clear()


def levels(**seen):
    return {found.subject: found for found in noise(Watched("gather/a/x", **seen))}


def test_a_quiet_machine_is_good():
    ratios = [(-1) ** i * 0.001 * (i % 7) for i in range(100)]
    found = levels(ratios=ratios, samples=200)
    assert {each.level for each in found.values()} == {Level.GOOD}
    assert "100 pairs" in found["placebo"].found and "quick profile" in found["placebo"].found


def test_a_machine_on_which_equal_things_differ_is_unstable():
    ratios = [0.2 + 0.001 * (i % 7) for i in range(100)]
    found = levels(ratios=ratios, samples=200)["placebo"]
    assert found.level is Level.UNSTABLE and "+22" in found.found


def test_a_noisy_machine_sees_less():
    ratios = [(-1) ** i * 0.05 * (i % 7) for i in range(100)]
    found = levels(ratios=ratios, samples=200)["placebo"]
    assert found.level is Level.LIMIT and "smaller differences stay unknown" in found.costs


def test_few_pairs_say_nothing():
    assert levels(ratios=[0.0] * 5, samples=10)["placebo"].level is Level.LIMIT


def test_what_the_rest_of_the_machine_does_counts():
    quiet = {"ratios": [0.001, -0.001] * 20, "samples": 80}
    assert levels(**quiet, steal_share=0.02)["steal"].level is Level.LIMIT
    assert levels(**quiet, foreign_share=0.06)["foreign CPU"].level is Level.LIMIT
    assert levels(**quiet, dirty=16)["disturbed"].level is Level.GOOD
    assert levels(**quiet, dirty=17)["disturbed"].level is Level.UNSTABLE


def test_the_worst_finding_is_the_exit_code():
    good, limit = Finding("a", "b"), Finding("a", "b", "c", Level.LIMIT)
    note, unstable = Finding("a", "b", "c", Level.NOTE), Finding("a", "b", "c", Level.UNSTABLE)
    assert [status_of(found) for found in ([good, note], [good, limit], [limit, unstable])] == [
        0,
        1,
        3,
    ]


def test_a_whole_examination(tmp_path):
    suite = FakeSuite(tmp_path / "build", ROWS)
    result = doctor(suite.directory, "--seconds", "1")
    assert result.returncode in (0, 1, 3), result.stderr
    lines = result.stdout.splitlines()
    assert len([line for line in lines if re.match("(good|note|limit|unstable) ", line)]) >= 17
    # In its one second a busy machine may take too few pairs to say more.
    compared = r"placebo +(gather/ok/sequential against itself, \d+ pairs|\d+ pairs of samples, )"
    assert re.search(compared, result.stdout), result.stdout
    assert lines[-1].startswith("This machine ") and "\x1b" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seconds", "0"], "0 is no number of seconds"),
        (["--seconds", "nan"], "nan is no number of seconds"),
        (["--build", "/nonexistent"], "/nonexistent"),
    ],
)
def test_wrong_usage_is_one_clear_line(tmp_path, arguments, words):
    result = doctor(tmp_path, *arguments)
    assert result.returncode == 2 and result.stdout == ""
    assert words in result.stderr.splitlines()[-1] and "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["gather/ok/floor"], "no row of a reference backend"),
        (["gather/wrong/sequential"], "wrong: checksum"),
    ],
)
def test_a_suite_that_cannot_be_measured_says_so(tmp_path, rows, words):
    result = doctor(FakeSuite(tmp_path / "build", rows).directory, "--seconds", "1")
    assert result.returncode == 2 and words in result.stderr.splitlines()[-1]


def on_a_terminal(directory, **environment):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command(directory, "--seconds", "0.1"),
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env=os.environ
        | {"PYTHONPATH": str(ROOT / "scripts"), "TERM": "xterm-256color", "COLUMNS": "60"}
        | environment,
    )
    os.close(theirs)
    chunks = []
    try:
        while chunk := os.read(ours, 65536):
            chunks.append(chunk)
    except OSError:  # How Linux says that the other end of a terminal is closed.
        pass
    os.close(ours)
    process.wait()
    return b"".join(chunks).decode()


def test_a_terminal_has_colours_unless_told_otherwise_and_is_not_overrun(tmp_path):
    directory = FakeSuite(tmp_path / "build", ROWS).directory
    coloured = re.compile(r"\x1b\[3\dm")
    assert coloured.search(on_a_terminal(directory))
    plain = on_a_terminal(directory, NO_COLOR="1")
    assert not coloured.search(plain)
    assert max(len(re.sub(r"\x1b\[[\d;]*m", "", line)) for line in plain.split("\r\n")) <= 60
