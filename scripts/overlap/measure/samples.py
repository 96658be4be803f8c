"""One sample: a fresh process of a benchmark binary that measures one row, and what it said."""

import json
import math
import re
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from overlap.base.exits import UsageError
from overlap.base.processes import Outcome, run_contained
from overlap.measure.contamination import contamination, read_machine
from overlap.records.google_benchmark import GOOGLE_BENCHMARKS_OWN
from overlap.records.rows import Row

LISTING_DEADLINE_S = 60.0
USAGE_STATUS = 2  # A binary's exit code for wrong options or a wrong specification.


@dataclass(frozen=True)
class Listing:
    """What one binary can measure."""

    workload: str
    specification: Path
    rows: list[Row]
    context: dict[str, Any]


@dataclass
class Sample:
    """What one process measured: `counters`, or an `error` in words."""

    started: str
    duration_s: float
    cpu_s: float = 0.0  # Of the process and its children, whatever they did.
    counters: dict[str, float] = field(default_factory=dict)
    error: str = ""
    gates: list[str] = field(default_factory=list)  # What the load says against its figures.
    context: dict[str, Any] = field(default_factory=dict)
    contamination: dict[str, object] = field(default_factory=dict)

    def to_record(self) -> dict[str, Any]:
        record: dict[str, Any] = {"started": self.started, "duration_s": round(self.duration_s, 6)}
        record |= {"error": self.error} if self.error else {"counters": self.counters}
        record |= {"gates": self.gates} if self.gates and not self.error else {}
        return record | {"contamination": self.contamination}


def utc_now() -> datetime:
    return datetime.now(timezone.utc)


def list_rows(binary: Path, arguments: Sequence[str]) -> Listing:
    """Asks a binary for its rows. Raises UsageError if it does not answer as agreed."""
    try:
        outcome = run_contained([str(binary), "--list_rows", *arguments], LISTING_DEADLINE_S)
    except OSError as error:
        raise UsageError(f"{binary}: {error.strerror}") from error
    if outcome.status != 0 or outcome.timed_out:
        said = outcome.last_error_line or _ending(outcome, LISTING_DEADLINE_S)
        raise UsageError(
            said if outcome.status == USAGE_STATUS else f"{binary} --list_rows: {said}"
        )
    try:
        answer = json.loads(outcome.output)
        return Listing(
            workload=answer["workload"],
            specification=Path(answer["specification"]),
            rows=[Row.from_record(record) for record in answer["rows"]],
            context=answer.get("context", {}),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{binary} --list_rows: not a list of rows ({error!r})") from error


def exact_filter(row: str) -> str:
    """A regular expression, in the dialects of Google Benchmark and of POSIX, for this name only."""
    return "^" + re.sub(r"([.^$*+?()\[\]{}|\\])", r"\\\1", row) + "$"


def take_sample(
    binary: Path,
    row: str,
    arguments: Sequence[str],
    deadline_s: float,
    waiting: Callable[[], None] = lambda: None,
    servers_cpu_s: Callable[[], float] = lambda: 0.0,
) -> Sample:
    """Measures `row` in a fresh process, which is ended after `deadline_s`. Whatever that process
    does, the result is a sample; UsageError if it says that it was asked wrongly. `servers_cpu_s` says
    what servers of ours have used so far: theirs is no foreign CPU time."""
    command = [
        str(binary),
        f"--benchmark_filter={exact_filter(row)}",
        "--benchmark_format=json",
        *arguments,
    ]
    started = utc_now().isoformat(timespec="milliseconds")
    before, servers_before_s = read_machine(), servers_cpu_s()
    try:
        outcome = run_contained(command, deadline_s, waiting)
    except OSError as error:
        raise UsageError(f"{binary}: {error.strerror}") from error
    if outcome.status == USAGE_STATUS and not outcome.timed_out:
        raise UsageError(outcome.last_error_line or f"{binary}: exit code {USAGE_STATUS}")
    sample = Sample(started, outcome.duration_s, outcome.cpu_s)
    ours_s = outcome.cpu_s + servers_cpu_s() - servers_before_s
    sample.contamination = contamination(before, read_machine(), ours_s)
    if outcome.timed_out or outcome.status < 0:
        sample.error = _ending(outcome, deadline_s)
        return sample
    _read_answer(sample, row, outcome.output)
    if outcome.status > 0 and (not sample.error or sample.error.startswith("unreadable")):
        sample.counters = {}
        sample.error = _ending(outcome, deadline_s)
    return sample


def _ending(outcome: Outcome, deadline_s: float) -> str:
    """How a process ended that should not have ended so, with the last thing it said."""
    said = f": {outcome.last_error_line}" if outcome.last_error_line else ""
    if outcome.timed_out:
        return f"timeout: no answer within {deadline_s:g} s{said}"
    if outcome.status < 0:
        return f"crashed: {signal.strsignal(-outcome.status)} (signal {-outcome.status}){said}"
    return f"failed: exit code {outcome.status}{said}"


def error_in(output: str, row: str) -> str:
    """Why what a binary printed is no result of the row with its receipt; empty if it is one."""
    sample = Sample("", 0.0)
    _read_answer(sample, row, output)
    return sample.error


def _read_answer(sample: Sample, row: str, output: str) -> None:
    """Reads Google Benchmark's JSON: counters are the numbers of the row, beside what Google
    Benchmark itself puts there."""
    try:
        answer = json.loads(output)
        found = [entry for entry in answer["benchmarks"] if entry["name"] == row]
        sample.context = dict(answer.get("context", {}))
    except (ValueError, KeyError, TypeError):
        sample.error = f"unreadable: printed {len(output.encode())} bytes that are no result"
        return
    if len(found) != 1:
        sample.error = f"unreadable: printed {len(found)} results for one row"
    elif found[0].get("error_occurred"):
        sample.error = (
            " ".join(str(found[0].get("error_message", "")).split()) or "failed: no reason"
        )
    else:
        sample.counters = _counters(found[0])
        sample.error = _fault(sample.counters)
        # Google Benchmark's place for words beside figures.
        sample.gates = [gate for gate in str(found[0].get("label", "")).split("; ") if gate]


def _counters(entry: dict[str, Any]) -> dict[str, float]:
    return {
        name: value
        for name, value in entry.items()
        if isinstance(value, (int, float))
        and not isinstance(value, bool)
        and name not in GOOGLE_BENCHMARKS_OWN
    }


def _fault(counters: dict[str, float]) -> str:
    """Why these counters are no result; empty if they are one."""
    broken = [name for name, value in counters.items() if not math.isfinite(value)]
    if broken:
        return f"unreadable: {', '.join(broken)} not a number"
    if "wall_s" not in counters:
        return "unreadable: no wall_s among the counters"
    if counters.get("verified") != 1:
        return "wrong: no matching receipt"
    return ""
