"""Instructions a task, counted by cachegrind: the cost that is the same on a
busy machine and on an idle one.

Valgrind runs a program on a processor of its own making, one thread at a time, and some fifty times
slower; so these counts are taken when all blocks are done, in processes of their own. As with system
calls a count is of a whole process: the difference between more iterations and fewer is what an
iteration costs. From that is taken what an iteration of one task costs, the harness's own part.

Source: https://valgrind.org/docs/manual/cg-manual.html
"""

import re
import shutil
import sys
import tempfile
from collections.abc import Sequence, Set
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from overlap.base.processes import run_contained
from overlap.measure.samples import error_in, exact_filter
from overlap.measure.suite import Suite
from overlap.measure.syscalls import Case, items_of
from overlap.records.files import RecordWriter, Records
from overlap.records.rows import Row, names_of
from overlap.judge.series import Series, from_records

DEADLINE_S = 60.0  # Of one process under valgrind; a row takes four.
LEAST_ITEMS = 500  # An iteration costs the harness 100,000 instructions; some hundreds come and go.
FEW_ITERATIONS, MANY_ITERATIONS = 1, 3
SUMMARY = re.compile(r"^summary: (\d+)", re.MULTILINE)
# The smallest case of a workload, by the keys that differ: one task, or one message a connection.
SMALLEST: dict[str, dict[str, Any]] = {
    "sleeps": {"tasks": 1, "delay_s": 0},
    "gather": {"fan_out": 1, "depth": 1},
    "echo": {"messages": 1},
}
REPLACED = {"sleeps": ("delays_s",)}


def smallest(case: Case) -> Case:
    kept = {k: v for k, v in case.keys.items() if k not in REPLACED.get(case.workload, ())}
    return replace(case, keys={**kept, **SMALLEST[case.workload]})


def smallest_items(case: Case) -> float:
    """Of the smallest case: its tasks, or messages."""
    return float(case.keys.get("connections", 1))


def why_not_of(row: Row) -> str:
    """Why a row's instructions are not counted; empty if they may be."""
    if row.model:
        return "a peer is a program of its own, which valgrind does not follow"
    if row.workload not in SMALLEST:
        return "its tasks compute or wait, whatever runs them"
    if row.backend.startswith("process_"):
        return "its processes wait for each other by spinning, which valgrind makes longer"
    return ""


class InstructionCount:
    """Counts for one binary. `arguments` are the options that samples are taken with."""

    def __init__(self, binary: Path, arguments: Sequence[str], deadline_s: float) -> None:
        kept = [
            word for word in arguments if not word.startswith(("--workloads=", "--row_timeout="))
        ]
        self._command = [str(binary), *kept, "--benchmark_format=json", "--trace=off"]
        self._command += ["--memory=off", f"--row_timeout={deadline_s:g}"]
        self._deadline_s = deadline_s

    def per_task(self, row: str, case: Case, counters: dict[str, float]) -> float:
        """Of a row that has these counters. Raises ValueError, in words, if cachegrind cannot run
        it."""
        least = smallest(case)
        further_items = items_of(counters) - smallest_items(least)
        if further_items < LEAST_ITEMS:
            raise ValueError(f"has fewer than {LEAST_ITEMS} tasks: the harness's own would show")
        further = self._per_iteration(row, case) - self._per_iteration(row, least)
        return max(0.0, further / further_items)

    def _per_iteration(self, row: str, case: Case) -> float:
        few = self._count(row, case.with_iterations(FEW_ITERATIONS))
        many = self._count(row, case.with_iterations(MANY_ITERATIONS))
        return (many - few) / (MANY_ITERATIONS - FEW_ITERATIONS)

    def _count(self, row: str, specification: str) -> int:
        """Instructions of the benchmark binary and what it forks; programs that it starts, such as
        the load generator, run beside valgrind."""
        with tempfile.TemporaryDirectory(prefix="overlap-") as directory:
            path = Path(directory, "case.toml")
            path.write_text(specification, encoding="utf-8")
            valgrind = ["valgrind", "--quiet", "--tool=cachegrind", "--cache-sim=no"]
            valgrind += [f"--cachegrind-out-file={directory}/out.%p"]
            which = [f"--workloads={path}", f"--benchmark_filter={exact_filter(row)}"]
            outcome = run_contained([*valgrind, *self._command, *which], self._deadline_s)
            if outcome.timed_out:
                raise ValueError(f"timeout: no answer from valgrind within {self._deadline_s:g} s")
            if outcome.status != 0:
                raise ValueError(f"failed under valgrind: exit code {outcome.status}")
            if error := error_in(outcome.output, row):
                raise ValueError(f"under valgrind: {error}")
            return sum(map(_instructions, Path(directory).glob("out.*")))


def _instructions(report: Path) -> int:
    found = SUMMARY.search(report.read_text(encoding="utf-8", errors="replace"))
    if not found:
        raise ValueError(f"cachegrind wrote no summary into {report.name}")
    return int(found[1])


def count_rows(
    records: Records, writer: RecordWriter, suite: Suite, arguments: Sequence[str]
) -> None:
    """Counts every row that has results, can run under valgrind and has no count yet; each count is
    recorded before the next is taken."""
    specification: str = records.head.get("specification", {}).get("text", "")
    counted = {count["row"] for count in records.counts}
    chosen = [samples for samples in from_records(records).series if _is_wanted(samples, counted)]
    for number, samples in enumerate(chosen, start=1):
        row = samples.row
        print(f"instructions {number}/{len(chosen)}: {row.row}", file=sys.stderr, flush=True)
        case = Case.of(specification, row.workload, row.case)
        if case is None:
            continue
        record = {"kind": "count", **names_of(row)}
        counting = InstructionCount(suite.binary(row.workload), arguments, DEADLINE_S)
        try:
            found = counting.per_task(row.row, case, next(iter(samples.by_block.values())))
            record["counters"] = {"instructions_per_task": found}
        except ValueError as error:
            record["error"] = str(error)
        writer.append(record)
        records.counts.append(record)


def _is_wanted(samples: Series, counted: Set[str]) -> bool:
    row = samples.row
    if samples.words or row.placebo_of or row.row in counted:
        return False
    return not why_not_of(row)


@cache
def why_no_instructions() -> str:
    """Why instructions cannot be counted here; empty if they can."""
    return "" if shutil.which("valgrind") else "valgrind is not installed (Debian: valgrind)"
