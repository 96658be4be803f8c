import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from overlap.base.building import logged
from overlap.base.machine import ROOT
from overlap.project import checks
from overlap.project.checks import read_junit, run_with_report
from overlap.project.lanes import LOWEST_PRIORITY, Counts, Step, one, run_steps

CTEST = """<?xml version="1.0" encoding="UTF-8"?>
<testsuite name="Linux-c++" tests="5" failures="1" disabled="1" skipped="2">
  <testcase name="loop.posts" classname="loop.posts" time="0.1" status="run"><system-out/></testcase>
  <testcase name="loop.timers" classname="loop.timers" time="0.1" status="fail">
    <failure message="Failed"/><system-out>fired 3 ms early</system-out></testcase>
  <testcase name="uring.posts" classname="uring.posts" time="0" status="notrun">
    <skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/></testcase>
  <testcase name="fiber_NOT_BUILT" classname="fiber_NOT_BUILT" time="0" status="notrun">
    <skipped message="Unable to find executable: fiber_NOT_BUILT"/></testcase>
  <testcase name="old" classname="old" time="0" status="disabled"/>
</testsuite>
"""
PYTEST = """<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite name="pytest" errors="1" failures="1" skipped="1" tests="4">
  <testcase classname="test_a" name="test_good" time="0.1"/>
  <testcase classname="test_a" name="test_bad"><failure message="assert">assert 1 == 2</failure></testcase>
  <testcase classname="test_a" name="test_broken"><error message="import">no module</error></testcase>
  <testcase classname="test_a" name="test_later"><skipped message="needs root"/></testcase>
</testsuite></testsuites>
"""


def written(path, text):
    path.write_text(text)
    return path


def test_test_cases_of_ctest_are_counted(tmp_path):
    counts = read_junit(written(tmp_path / "ctest.xml", CTEST))
    assert (counts.passed, counts.failed, counts.skipped) == (1, 2, 2)
    assert "fired 3 ms early" in counts.shown and "fiber_NOT_BUILT" in counts.shown


def test_test_cases_of_pytest_are_counted(tmp_path):
    counts = read_junit(written(tmp_path / "pytest.xml", PYTEST))
    assert (counts.passed, counts.failed, counts.skipped) == (1, 2, 1)
    assert "assert 1 == 2" in counts.shown and "no module" in counts.shown


def test_many_failures_are_not_all_shown(tmp_path):
    case = '<testcase classname="a" name="b"><failure>bad</failure></testcase>'
    counts = read_junit(written(tmp_path / "a.xml", f"<testsuite>{case * 15}</testsuite>"))
    assert counts.failed == 15 and "... and 5 more" in counts.shown


@pytest.mark.parametrize(
    ("report", "status", "expected"),
    [
        ("<testsuite><testcase name='a'/></testsuite>", 0, (1, 0)),
        ("<testsuite><testcase name='a'/></testsuite>", 3, (1, 1)),
        ("<testsuite/>", 0, (0, 1)),
        ("<testsuite", 0, (0, 1)),
        (None, 139, (0, 1)),
    ],
)
def test_a_runner_that_fails_without_naming_a_test_is_a_failure(tmp_path, report, status, expected):
    path = tmp_path / "report.xml"
    write = f"open({str(path)!r}, 'w').write({report!r});" if report else ""
    command = [sys.executable, "-c", f"{write} print('the end'); raise SystemExit({status})"]
    counts = run_with_report(command, path, tmp_path / "runner.log")
    assert (counts.passed, counts.failed) == expected
    assert not counts.failed or "the end" in counts.shown


def raising():
    raise FileNotFoundError("clang-tidy-19")


def test_every_step_runs_and_the_last_line_counts(capsys):
    steps = {
        "good": Step(lambda: Counts(passed=3, skipped=1)),
        "bad": Step(lambda: Counts(passed=1, failed=2, shown="what went wrong")),
        "broken": Step(raising),
        "later": Step(lambda: Counts(passed=1)),
    }
    assert run_steps(list(steps), steps) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "5 passed, 3 failed, 1 skipped"
    assert "what went wrong" in lines and "clang-tidy-19" in lines
    assert [line for line in lines if line.startswith("later, 0 s: ")]
    # CI reads the closing line, and must not take a step's line for it.
    assert sum(line[0].isdigit() for line in lines) == 1


def test_the_exit_code_is_0_only_if_something_passed_and_nothing_failed(capsys):
    assert run_steps(["a"], {"a": Step(lambda: Counts(passed=1))}) == 0
    assert capsys.readouterr().out.endswith("\n1 passed, 0 failed\n")
    assert run_steps(["a"], {"a": Step(lambda: Counts(skipped=1))}) == 1
    assert run_steps([], {}) == 1


def waits_for(path):
    """A check that holds once another process has made a file."""
    deadline = time.monotonic() + 60
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.001)
    return one(path.exists(), f"no {path}")


def makes(path, counts):
    path.touch()
    return counts


def test_what_is_ready_is_tested_while_the_next_is_built(tmp_path):
    tested, built = tmp_path / "tested", tmp_path / "built"

    def build_second():
        return makes(built, Counts() if waits_for(tested).passed else Counts(failed=1))

    def test_first():
        return waits_for(built) if makes(tested, True) else Counts()

    steps = {
        "first": Step(prepare=Counts, check=test_first),
        "second": Step(prepare=build_second, check=lambda: Counts(passed=1)),
    }
    assert run_steps(list(steps), steps) == 0


def test_lanes_run_beside_each_other(tmp_path, capfd):
    """Each waits for the other, so that one after the other would not end well."""
    here, there = tmp_path / "here", tmp_path / "there"
    steps = {
        "here": Step(lambda: waits_for(there) if makes(here, True) else Counts()),
        "there": Step(lambda: waits_for(here) if makes(there, True) else Counts(), lane="other"),
        "bad": Step(lambda: Counts(failed=1, shown="what went wrong"), lane="other"),
    }
    assert run_steps(list(steps), steps) == 1
    said = capfd.readouterr().out
    assert "what went wrong" in said and said.endswith("\n2 passed, 1 failed\n")


def test_a_step_waits_for_what_another_is_prepared_for(tmp_path):
    built = tmp_path / "built"
    steps = {
        "build": Step(prepare=lambda: makes(built, Counts(passed=1))),
        "test": Step(lambda: one(built.exists(), ""), after="build", lane="other"),
    }
    assert run_steps(list(steps), steps) == 0
    assert run_steps(["test"], steps) == 0  # Built before.


def test_what_could_not_be_built_is_not_tested_in_another_lane(tmp_path, capfd):
    steps = {
        "build": Step(prepare=lambda: Counts(failed=1)),
        "test": Step(lambda: makes(tmp_path / "tested", Counts(passed=1)), after="build", lane="b"),
    }
    assert run_steps(list(steps), steps) == 1
    assert not (tmp_path / "tested").exists()
    assert capfd.readouterr().out.endswith("\n0 passed, 2 failed\n")


def test_a_lane_that_dies_is_a_failure():
    steps = {"a": Step(lambda: Counts(passed=1)), "b": Step(lambda: os._exit(0), lane="other")}
    assert run_steps(list(steps), steps) == 1


def test_builds_have_the_lowest_priority_and_tests_their_own():
    steps = {
        "build": Step(prepare=lambda: one(os.nice(0) == LOWEST_PRIORITY, "")),
        "test": Step(lambda: one(os.nice(0) == priority, "")),
    }
    priority = os.nice(0)
    assert run_steps(list(steps), steps) == 0


def test_what_cannot_be_built_is_not_tested(tmp_path, capsys):
    steps = {
        "bad": Step(
            prepare=lambda: Counts(failed=1, shown="error: expected ';'"),
            check=lambda: makes(tmp_path / "tested", Counts(passed=1)),
        ),
        "unstartable": Step(prepare=raising),
        "good": Step(prepare=Counts, check=lambda: Counts(passed=2)),
    }
    assert run_steps(list(steps), steps) == 1
    said = capsys.readouterr().out
    assert "expected ';'" in said and "clang-tidy-19" in said
    assert said.endswith("\n2 passed, 2 failed\n") and not (tmp_path / "tested").exists()


def test_builds_that_die_are_failures(capsys):
    steps = {"a": Step(prepare=lambda: os._exit(0)), "b": Step(prepare=lambda: Counts(passed=1))}
    assert run_steps(["a", "b"], steps) == 1
    assert capsys.readouterr().out.endswith("\n0 passed, 2 failed\n")


@pytest.mark.parametrize("lane", ["", "other"])
def test_an_interrupt_ends_what_was_started(tmp_path, lane):
    pid = tmp_path / "pid"
    child = f"echo $$ > {pid}.new && mv {pid}.new {pid} && exec sleep 600"

    def interrupted():
        assert waits_for(pid).passed
        raise KeyboardInterrupt

    def start():
        return Counts(failed=logged(["sh", "-c", child], tmp_path / "log", {}))

    other = Step(start, lane=lane) if lane else Step(prepare=start)
    steps = {"test": Step(interrupted), "other": other}
    with pytest.raises(KeyboardInterrupt):
        run_steps(list(steps), steps)
    status = Path(f"/proc/{pid.read_text().strip()}/stat")
    deadline = time.monotonic() + 60
    while status.exists() and ") Z " not in status.read_text() and time.monotonic() < deadline:
        time.sleep(0.001)
    assert not status.exists() or ") Z " in status.read_text()


def test_options_choose_the_steps(monkeypatch, tmp_path):
    chosen = []
    monkeypatch.setattr(checks, "LOGS", tmp_path)
    monkeypatch.setattr(checks, "run_steps", lambda names, steps: chosen.append(list(names)) or 0)
    for arguments in ([], ["--quick"], ["--only", "black", "--only", "twins"]):
        checks.main(arguments)
    assert chosen[0] == [name for name in checks.STEPS if name != "clang"]
    assert "asan" in chosen[0] and "tsan" in chosen[0]
    assert chosen[1] == [name for name in chosen[0] if name not in checks.SANITIZERS]
    assert chosen[2] == ["black", "twins"]
    assert checks.main(["--only", "nonsense"]) == 2


def test_all_shell_scripts_are_checked():
    names = checks.shell_scripts()
    assert {
        "scripts/compare",
        "scripts/run",
        "scripts/setup",
        "scripts/test",
        "scripts/twins",
        ".ci/run",
    } <= set(names)


@pytest.mark.parametrize(
    "command",
    ["choose", "claims", "compare", "curves", "doctor", "report", "run", "setup", "test", "twins"],
)
def test_every_command_explains_itself(command):
    script = ROOT / "scripts" / command
    result = subprocess.run([script, "--help"], capture_output=True, text=True)
    assert result.returncode == 0 and f"scripts/{command}" in result.stdout
