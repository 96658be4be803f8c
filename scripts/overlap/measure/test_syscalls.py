import tomllib

import pytest

from overlap.base.machine import ROOT
from overlap.testing.fake_suite import FakeSuite
from overlap.measure.syscalls import (
    SYSCALLS,
    Case,
    SyscallCounter,
    count_syscalls,
    counted_by_perf,
    further_iterations,
    why_no_syscalls,
)

SPECIFICATION = (ROOT / "bench" / "workloads.toml").read_text()
needs_perf = pytest.mark.skipif(bool(why_no_syscalls()), reason=why_no_syscalls())


def test_a_case_with_other_iterations_is_otherwise_the_same():
    for workload, cases in tomllib.loads(SPECIFICATION).items():
        for name, keys in cases.items():
            text = Case.of(SPECIFICATION, workload, name).with_iterations(7)
            expected = keys | {"iterations": 7} | ({"repeat": 1} if "repeat" in keys else {})
            assert tomllib.loads(text) == {workload: {name: expected}}


def test_a_case_that_is_not_there():
    assert Case.of(SPECIFICATION, "gather", "nothing") is None
    assert Case.of("[gather", "gather", "a") is None
    assert Case.of("gather = 3", "gather", "a") is None


def test_short_iterations_are_repeated_more_often():
    assert [further_iterations({"wall_s": wall_s}) for wall_s in (1e-6, 0.02, 0.1, 3.0)] == [
        20,
        5,
        1,
        1,
    ]


@pytest.mark.parametrize(
    ("report", "count"),
    [
        (f"# started\n\n110512,,{SYSCALLS},395177064,100.00,,\n", 110512),
        (f"<not supported>,,{SYSCALLS},0,100.00,,\n", None),
        (f"<not counted>,,{SYSCALLS},0,0.00,,\n", None),
        ("", None),
    ],
)
def test_what_perf_reports(report, count):
    assert counted_by_perf(report, SYSCALLS) == count


@needs_perf
def test_a_command_and_its_children_are_counted_together():
    one = count_syscalls(["bash", "-c", "/bin/true"], 20)
    two = count_syscalls(["bash", "-c", "/bin/true; /bin/true; :"], 20)
    assert one and two and one + 20 < two < 2 * one


@needs_perf
def test_commands_that_fail_have_no_count():
    assert count_syscalls(["false"], 20) is None
    assert count_syscalls(["sleep", "20"], 0.1) is None


@needs_perf
@pytest.mark.parametrize("case", ["ok", "limit", "broken"])
def test_the_calls_of_a_task_are_what_further_iterations_cost(tmp_path, case):
    suite = FakeSuite(tmp_path / "build", [f"gather/{case}/x"])
    binary = suite.directory / "bench" / "bench_gather"
    counter = SyscallCounter(binary, ["--workloads=/nonexistent", "--row_timeout=5"], 20)
    counters = {"wall_s": 0.02, "wall_per_task_s": 0.02 / 1000}
    found = counter.syscalls_per_task(f"gather/{case}/x", Case("gather", case, {}), counters)
    if case == "ok":
        assert found == pytest.approx(2, abs=0.1)  # What the fake binary does 1,000 times.
    else:
        assert found is None


def test_a_machine_without_perf_says_so(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    why_no_syscalls.cache_clear()
    try:
        assert "linux-perf" in why_no_syscalls()
    finally:
        why_no_syscalls.cache_clear()
