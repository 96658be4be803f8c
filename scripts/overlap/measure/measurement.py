"""Carries out a plan: each sample is recorded before the next one is taken."""

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from overlap.base.exits import UsageError
from overlap.base.machine import shown
from overlap.judge.knees import Bound
from overlap.measure.knee import KneePlan
from overlap.measure.plan import Plan, Step
from overlap.measure.samples import Sample, take_sample
from overlap.measure.suite import Suite, portable
from overlap.measure.syscalls import Case, SyscallCounter
from overlap.records.files import RecordWriter, Records
from overlap.records.rows import Row, names_of
from overlap.records.slow import rules_of

SAMPLE_PROCESSES = 4  # A binary grants the row's limit to each: one for time, three for memory.
LONGEST_COUNTED_S = 2.0  # Of a sample: system calls are counted by running the row twice more.
# What samples of the first blocks take beside time, and the option that spares the others it.
SPARED = {"trace": "--trace=off", "memory": "--memory=off"}
# Records of before this field: the first block paid for all.
ALSO_BY_DEFAULT = {"trace": 1, "memory": 1}


def plan_of(records: Records, blocks: int) -> Plan | KneePlan:
    """What is left to do of a run."""
    head = records.head
    rows = [Row.from_record(row) for row in head["rows"]]
    share, also = head.get("repeated_share", 0.0), head.get("also", ALSO_BY_DEFAULT)
    plan: Plan | KneePlan
    if head.get("knee"):
        plan = KneePlan(rows, blocks, Bound.parse(head["knee"]))
    else:
        plan = Plan(rows, blocks, head["seed"], share, rules_of(head), also)
    for record in records.samples:
        plan.add(record)
    return plan


class Measurement:
    def __init__(
        self,
        suite: Suite,
        records: Records,
        writer: RecordWriter,
        arguments: Sequence[str],
        row_timeout_s: float,
    ) -> None:
        self._suite = suite
        self._records = records
        self._writer = writer
        self._row_timeout_s = row_timeout_s
        self._arguments = [*arguments, *suite.served.arguments, f"--row_timeout={row_timeout_s:g}"]
        self._also: dict[str, int] = records.head.get("also", ALSO_BY_DEFAULT)
        self._specification: str = records.head.get("specification", {}).get("text", "")

    def carry_out(self, plan: Plan | KneePlan) -> None:
        from overlap.measure.progress import Progress  # Needs rich, which --help must not.

        progress = Progress(plan)
        try:
            for step in plan.steps():
                progress.show(step)
                record = self._take(step, progress.redraw)
                plan.add(record)
                progress.sample_done(step, record)
        finally:
            progress.close()

    def _take(self, step: Step, waiting: Callable[[], None]) -> dict[str, Any]:
        row = step.row
        also = [what for what in SPARED if self._pays_for(what, step)]
        sample = take_sample(
            self._suite.binary(row.workload),
            row.measured_row,
            [*self._arguments, *(option for what, option in SPARED.items() if what not in also)],
            # Well beyond what a binary grants the row, so that this end is for hung processes.
            SAMPLE_PROCESSES * self._row_timeout_s + 1,
            waiting,
            self._suite.served.cpu_s,
        )
        self._keep_context(row.workload, sample.context)
        if self._pays_for("syscalls", step) and self._count_syscalls(row, sample):
            also.append("syscalls")
        record = {"kind": "sample", **names_of(row), **_place(step)}
        record |= {"also": also} if also else {}
        record |= sample.to_record()
        self._writer.append(record)
        self._records.samples.append(record)
        return record

    def _count_syscalls(self, row: Row, sample: Sample) -> bool:
        """Adds them to a sample that went well, from processes of their own: counting would slow
        the timed one. A placebo's are its backend's, and rows that take long or are measured in
        fewer blocks are not run twice more."""
        case = Case.of(self._specification, row.workload, row.case)
        if sample.error or row.placebo_of or row.blocks is not None or case is None:
            return False
        if sample.counters.get("sample_s", 0.0) > LONGEST_COUNTED_S:
            return False
        counter = SyscallCounter(
            self._suite.binary(row.workload), self._arguments, self._row_timeout_s
        )
        found = counter.syscalls_per_task(row.row, case, sample.counters)
        if found is not None:
            sample.counters["syscalls_per_task"] = found
        return found is not None

    def _pays_for(self, what: str, step: Step) -> bool:
        """Concurrency needs a traced run and memory several sizes: the first blocks pay for both."""
        return step.repeats is None and step.block < self._also.get(what, 0)

    def _keep_context(self, workload: str, context: dict[str, Any]) -> None:
        contexts = self._records.head.setdefault("context", {})
        if context and workload not in contexts:
            contexts[workload] = portable(context)
            self._writer.append(
                {"kind": "context", "workload": workload, "context": contexts[workload]}
            )


def _place(step: Step) -> dict[str, object]:
    place = {"block": step.block, "position": step.position, "attempt": step.attempt}
    return place | ({"repeats_block": step.repeats} if step.repeats is not None else {})


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Two runs at once would measure each other."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise UsageError(f"another run is measuring with {shown(directory)}") from None
    finally:
        os.close(descriptor)
