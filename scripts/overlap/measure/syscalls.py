"""What a task costs that no clock shows, by counting. System calls are counted
by the kernel's tracepoint, through perf.

A count is of a whole process, its start and its warm-up included. So the case is run twice, once
with a single iteration and once with more: the difference, divided by the further iterations and by
the tasks of each, is what a task costs, and what does not depend on the tasks cancels.
"""

import platform
import re
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from overlap.base.processes import run_contained
from overlap.measure.samples import error_in, exact_filter

# The harness reads its rusage around every run and to learn what that costs. These calls are left
# out; their numbers are those of the kernel's tables.
GETRUSAGE = {"x86_64": 98, "aarch64": 165, "riscv64": 165}
SYSCALLS = "raw_syscalls:sys_enter"
# Of all further iterations together: long beside what comes and goes with the scheduler's moods.
ENOUGH_S = 0.1
MOST_ITERATIONS = 20
HARNESS_CALLS = 1  # An iteration's: it sends what it found to the process that started it.


@dataclass(frozen=True)
class Case:
    """A row's case, cut out of its specification, so that it can be given other iterations."""

    workload: str
    name: str
    keys: dict[str, Any]

    @classmethod
    def of(cls, specification: str, workload: str, name: str) -> "Case | None":
        """None if the specification has no such case."""
        try:
            keys = tomllib.loads(specification)[workload][name]
        except (tomllib.TOMLDecodeError, KeyError, TypeError):
            return None
        return cls(workload, name, keys) if isinstance(keys, dict) else None

    def with_iterations(self, iterations: int) -> str:
        """A specification of this case alone. Whole gathers are not repeated within an iteration:
        the harness would choose by the clock how often."""
        keys = {**self.keys, "iterations": iterations}
        if "repeat" in keys:
            keys["repeat"] = 1
        lines = [f"{key} = {_toml(value)}" for key, value in keys.items()]
        return "\n".join([f'[{self.workload}."{self.name}"]', *lines, ""])


def _toml(value: Any) -> str:
    """As a specification has them: numbers, lists of numbers, and tables of numbers."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return repr(value)


def further_iterations(counters: dict[str, float]) -> int:
    return min(MOST_ITERATIONS, max(1, round(ENOUGH_S / counters["wall_s"])))


def items_of(counters: dict[str, float]) -> float:
    """Tasks of an iteration, or messages: what per-task figures are divided by."""
    return counters["wall_s"] / counters["wall_per_task_s"]


class SyscallCounter:
    """Counts for one binary. `arguments` are the options that samples are taken with."""

    def __init__(self, binary: Path, arguments: Sequence[str], deadline_s: float) -> None:
        kept = [word for word in arguments if not word.startswith("--workloads=")]
        self._command = [str(binary), "--benchmark_format=json", *kept]
        self._command += ["--trace=off", "--memory=off"]
        self._deadline_s = deadline_s

    def syscalls_per_task(self, row: str, case: Case, counters: dict[str, float]) -> float | None:
        """Of a row that has these counters; None if they could not be counted."""
        further = further_iterations(counters)
        few = self._syscalls(row, case, 1)
        many = self._syscalls(row, case, 1 + further)
        if few is None or many is None:
            return None
        return max(0.0, (many - few) / further - HARNESS_CALLS) / items_of(counters)

    def _syscalls(self, row: str, case: Case, iterations: int) -> int | None:
        with tempfile.NamedTemporaryFile("w", prefix="overlap-", suffix=".toml") as file:
            file.write(case.with_iterations(iterations))
            file.flush()
            which = [f"--workloads={file.name}", f"--benchmark_filter={exact_filter(row)}"]
            command = [*self._command, *which]
            return count_syscalls(
                command, self._deadline_s, lambda output: not error_in(output, row)
            )


def count_syscalls(
    command: list[str], deadline_s: float, good: Callable[[str], bool] = lambda output: True
) -> int | None:
    """System calls of a command and its children, those of getrusage(2), of the load generator and
    of a peer's harness aside. None if they could not be counted, or if what the command printed is
    not `good`: perf does not tell a command that crashed from one that went well."""
    return count_command(SYSCALLS, command, deadline_s, ("--filter", _filter()), good)


def count_command(
    event: str,
    command: list[str],
    deadline_s: float,
    options: Sequence[str] = (),
    good: Callable[[str], bool] = lambda output: True,
) -> int | None:
    """How often perf sees the event while the command and its children run; None if it cannot."""
    with tempfile.NamedTemporaryFile(prefix="overlap-perf-") as report:
        perf = ["perf", "stat", "-x,", "-o", report.name, "-e", event, *options, "--", *command]
        outcome = run_contained(perf, deadline_s)
        if outcome.status != 0 or outcome.timed_out or not good(outcome.output):
            return None
        return counted_by_perf(Path(report.name).read_text(encoding="utf-8"), event)


def counted_by_perf(report: str, event: str) -> int | None:
    """The count in what `perf stat -x,` wrote; None if it could not count."""
    found = re.search(rf"^(\d+),[^,]*,{re.escape(event)},", report, re.MULTILINE)
    return int(found[1]) if found else None


def _filter() -> str:
    return (
        f'id != {GETRUSAGE.get(platform.machine(), -2)} && comm != "echo_load" && comm != "harness"'
    )


@cache
def why_no_syscalls() -> str:
    """Why system calls cannot be counted here; empty if they can."""
    if not shutil.which("perf"):
        return "perf is not installed (Debian: linux-perf)"
    if platform.machine() not in GETRUSAGE:
        return f"not known for {platform.machine()}: which calls are the harness's own"
    if count_syscalls(["true"], 10.0) is None:
        return f"perf may not count {SYSCALLS} (as root, or with kernel.perf_event_paranoid <= 1)"
    return ""
