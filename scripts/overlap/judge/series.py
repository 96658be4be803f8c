"""What was measured, row by row: the one reader of samples, for record files and for results that
Google Benchmark wrote. All that prints, draws or judges goes through it."""

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

from overlap.base.exits import RecordError
from overlap.judge.metrics import Metric
from overlap.records import google_benchmark
from overlap.records.benchmark_names import BackendPart, usual_parts
from overlap.records.files import Records, content_of, name_of, read_records
from overlap.records.models import model_of
from overlap.records.rows import FAILURES, Row
from overlap.records.slow import SlowRows, rules_of

Counters = dict[str, float]

GENERATOR_BOUND = "generator-bound"
# Of the samples of a row a gate may close on so many before it has none of the figures behind it.
GATED_SHARE = 0.1
# Gates of a server that did not do what was asked of it: no figure of it means anything.
OF_SERVER = ("overloaded", "backlog still growing")


def _is_behind(gates: Sequence[str], counter: str) -> bool:
    """Whether these gates say that a figure is not the server's. The load generator's own say it of
    what it measured: replies waited in its queue, not in the server's."""
    if any(gate.startswith(OF_SERVER) for gate in gates):
        return not counter.startswith(("bytes_per_task", "peak_memory", "generator_", "offered_"))
    times = ("wall_s", "cold_wall_s", "wall_per_task_s", "tasks_per_s", "slowest_connection_ratio")
    return bool(gates) and (counter in times or counter.startswith("latency_"))


def _gates_of(sample: Mapping[str, Any]) -> list[str]:
    """In words; records from before there were others have a number for one of them."""
    found: list[str] = sample.get("gates", [])
    return found or ([GENERATOR_BOUND] if sample["counters"].get("generator_bound") else [])


def gate_name(words: str) -> str:
    return words.partition(":")[0]


class Choice(Enum):
    """Which samples are looked at. A disturbed block that was run again counts by its repetition;
    a verdict that any other choice would change depends on contaminated samples."""

    REPEATED = "disturbed blocks by their repetitions"
    ALL = "every sample"
    CLEAN = "no contaminated sample"


@dataclass
class Series:
    """One row of one file: what its samples counted, by block. `places` says where it belongs: file,
    commit, machine, profile, workload, case, backend, runtime and loop, by these names. With a
    `metric` it also has `values`, one a block."""

    row: Row
    places: dict[str, str]
    by_block: dict[int, Counters] = field(default_factory=dict)
    dirty: set[int] = field(default_factory=set)  # Blocks with a contaminated sample.
    repeats: dict[int, int] = field(default_factory=dict)  # Block run again, by its repetition.
    attempted: set[int] = field(default_factory=set)  # Blocks with a sample, good or not.
    failures: dict[int, str] = field(default_factory=dict)  # By block, the last one in words.
    error: str = ""  # Of the last sample that failed, if no later one went well; `wrong` stays.
    gates: dict[int, list[str]] = field(default_factory=dict)  # By block, where one closed.
    counted: Counters = field(default_factory=dict)  # Apart from the samples, once.
    model: str = ""  # Of a run with peers: how the backend runs things at once.
    metric: Metric | None = None

    @property
    def name(self) -> str:
        return self.row.row

    @property
    def case(self) -> str:
        return self.places["case"]

    @property
    def backend(self) -> str:
        return self.places["backend"]

    @property
    def placebo_of(self) -> str:
        return self.row.placebo_of

    @property
    def failed(self) -> bool:
        return self.words.startswith(FAILURES) or self.error.startswith(FAILURES)

    @property
    def is_wrong(self) -> bool:
        """One wrong result takes back the others."""
        return self.error.startswith("wrong")

    @cached_property
    def gate(self) -> str:
        """What closed on the row as a whole, in words: the most frequent gate, of its samples the one
        in the middle. Empty if the row has its figures."""
        if len(self.gates) <= GATED_SHARE * len(self.by_block):
            return ""
        names = Counter(gate_name(found[0]) for found in self.gates.values())
        name = max(sorted(names), key=lambda each: names[each])
        words = sorted(found[0] for found in self.gates.values() if gate_name(found[0]) == name)
        return words[len(words) // 2]

    @cached_property
    def sound(self) -> dict[int, Counters]:
        """What was counted, by block, without what is not the server's."""
        of_row = [self.gate] if self.gate else []
        return {
            block: {
                name: value
                for name, value in counters.items()
                if not _is_behind([*of_row, *self.gates.get(block, [])], name)
            }
            for block, counters in self.by_block.items()
        }

    def _closed_on(self, names: Iterable[str]) -> str:
        """In words, what closed on these figures."""
        if not self.gate or not any(_is_behind([self.gate], name) for name in names):
            return ""
        said = self.gate if self.gate.startswith(OF_SERVER) else gate_name(self.gate)
        return f"{said} in {len(self.gates)} of {len(self.by_block)} samples"

    @cached_property
    def every_value(self) -> dict[int, float]:
        """Of the metric, by block: none if the row is wrong."""
        assert self.metric is not None
        found = {block: self.metric.of(counters) for block, counters in self.sound.items()}
        return {b: v for b, v in found.items() if v is not None and not self.is_wrong}

    @cached_property
    def values(self) -> dict[int, float]:
        """Those that count: a repetition stands in for the block that was disturbed."""
        return self._counting(self.every_value)

    def _counting(self, found: dict[int, float]) -> dict[int, float]:
        replaced = {self.repeats.get(block) for block in found}
        return {block: value for block, value in found.items() if block not in replaced}

    def chosen(self, choice: Choice) -> dict[int, float]:
        if choice is Choice.REPEATED:
            return self.values
        left_out = self.dirty if choice is Choice.CLEAN else set()
        return {b: value for b, value in self.every_value.items() if b not in left_out}

    @property
    def words(self) -> str:
        """Why there are no numbers; empty if there are."""
        if self.row.skip:
            return self.row.skip
        if self.is_wrong:
            return self.error
        if not self.by_block:
            return self.error or "not measured yet"
        if not self.metric:
            return self._closed_on(["cpu_s"])
        if self.values:
            return ""
        names = [name for several in self.metric.counters for name in several]
        return self._closed_on(names) or self.error or f"{self.metric.title}: not measured"

    def seen_by(self, metric: Metric) -> "Series":
        """The same samples, with their values of a metric."""
        return replace(self, metric=metric)

    def middle(self) -> float | None:
        """The median of the metric over blocks."""
        return median(self.values.values()) if self.values else None

    def counts(self, counter: str) -> dict[int, float]:
        """By block, where a sample carries the counter."""
        found = {block: c[counter] for block, c in self.sound.items() if counter in c}
        return self._counting(found)

    def median_of(self, counter: str) -> float | None:
        counts = self.counts(counter)
        return median(counts.values()) if counts else None

    def ratio(self, other: "Series", counter: str) -> float | None:
        """The median of the ratios within each block: samples of different blocks are never
        compared."""
        others = other.counts(counter)
        ratios = [
            value / others[block]
            for block, value in self.counts(counter).items()
            if others.get(block, 0) > 0
        ]
        return median(ratios) if ratios else None

    def add(self, sample: Mapping[str, Any]) -> None:
        """Takes a sample's record, in the order in which they were taken."""
        block = sample["block"]
        self.attempted.add(block)
        if "error" in sample:
            self.failures[block] = sample["error"]
            self.error = self.error if self.is_wrong else sample["error"]
            return
        self.by_block[block] = sample["counters"]
        if gates := _gates_of(sample):
            self.gates[block] = gates
        self.error = self.error if self.is_wrong else ""
        if is_dirty(sample):
            self.dirty.add(block)
        if "repeats_block" in sample:
            self.repeats[block] = sample["repeats_block"]


@dataclass
class Source:
    """One file. Its samples are `paired` where they were taken in blocks."""

    path: Path
    series: list[Series]
    paired: bool
    places: dict[str, str]
    samples: int = 0
    contaminated: int = 0
    blocks: int = 0
    cases: dict[str, Any] = field(default_factory=dict)  # Their parameters, where known.
    notes: list[str] = field(default_factory=list)
    seed: int = 0
    records: Records | None = None

    def seen_by(self, metric: Metric) -> "Source":
        """The same samples, with their values of a metric."""
        return replace(self, series=[series.seen_by(metric) for series in self.series])


def read_source(path: Path, backend_part: BackendPart | None = None) -> Source:
    """Reads a file of either kind; `backend_part` says where names of Google Benchmark's results have the
    backend. Raises RecordError."""
    content = content_of(path)
    if google_benchmark.is_result(content):
        return _from_google_benchmark(path, content, backend_part)
    return from_records(read_records(path, content))


def is_dirty(sample: Mapping[str, Any]) -> bool:
    """Whether the machine was busy with something else meanwhile."""
    return bool(sample.get("contamination", {}).get("dirty"))


def _places(case: str, backend: str, run: dict[str, str]) -> dict[str, str]:
    workload, _, _ = case.partition("/")
    runtime, _, loop = backend.partition(":")
    return {
        **run,
        "workload": workload,
        "case": case,
        "backend": backend,
        "runtime": runtime,
        "loop": loop,
    }


def _run_places(path: Path, head: dict[str, Any]) -> dict[str, str]:
    suite = head["suite"]
    commit = suite["commit"][:10] or "unknown"
    return {
        "file": name_of(path),
        "commit": commit + ("+" if suite["modified"] else ""),
        "machine": head["machine"]["host"],
        "profile": head["profile"],
    }


def _cases(head: dict[str, Any]) -> dict[str, Any]:
    """The parameters of each case, from the specification that the head keeps."""
    try:
        tables = tomllib.loads(head["specification"]["text"])
    except (KeyError, TypeError, tomllib.TOMLDecodeError):
        return {}
    return {
        f"{workload}/{case}": parameters
        for workload, cases in tables.items()
        if isinstance(cases, dict)
        for case, parameters in cases.items()
    }


def from_records(records: Records) -> Source:
    """Rows are in the order of the specification, those found slow with their fewer blocks."""
    head, samples = records.head, records.samples
    run = _run_places(records.path, head)
    source = Source(records.path, [], True, run, cases=_cases(head), records=records)
    source.seed = abs(head.get("seed", 0))
    if records.cut_short:
        source.notes.append(f"{records.path}: {records.cut_short} and is left out")
    if records.problems:
        source.notes.append(f"{records.path}: {len(records.problems)} of its lines are not sound")
    source.samples = len(samples)
    source.contaminated = sum(map(is_dirty, samples))
    source.blocks = len({s["block"] for s in samples if "repeats_block" not in s})
    rows = _rows(records, run)
    for sample in samples:
        rows[sample["row"]].add(sample)
    for count in records.counts:
        rows[count["row"]].counted = count.get("counters", {})
    source.series = list(rows.values())
    return source


def _rows(records: Records, run: dict[str, str]) -> dict[str, Series]:
    listed = [Row.from_record(record) for record in records.head["rows"]]
    slow = SlowRows(rules_of(records.head), listed)
    for sample in records.samples:
        slow.add(sample)
    has_peers = any(row.model for row in listed)
    return {
        row.row: Series(
            slow.applied(row),
            _places(row.row.removesuffix(f"/{row.backend}"), row.backend, run),
            model=model_of(row) if has_peers else "",
        )
        for row in listed
    }


def _named(
    path: Path, names: Iterable[str], backend_part: BackendPart | None
) -> dict[str, tuple[str, str]]:
    """The case and the backend of each name. Raises RecordError if two names come to the same."""
    found: dict[str, tuple[str, str]] = {}
    by_parts: dict[tuple[str, str], str] = {}
    for name in names:
        parts = (backend_part and backend_part.split(name)) or usual_parts(name)
        if parts in by_parts:
            raise RecordError(
                f"{path}: {by_parts[parts]!r} and {name!r} are both the case {parts[0]!r} of the backend "
                f"{parts[1]!r}; expected a --backend-part that tells them apart"
            )
        found[name] = parts
        by_parts[parts] = name
    return found


def _from_google_benchmark(path: Path, content: bytes, backend_part: BackendPart | None) -> Source:
    try:
        result = google_benchmark.read_result(content)
    except ValueError as error:
        raise RecordError(f"{path}: {error}") from error
    run = {"file": name_of(path), "commit": "unknown", "profile": "google benchmark"}
    run["machine"] = str(result.context.get("host_name") or "unknown")
    source = Source(path, [], False, run, samples=sum(map(len, result.repetitions.values())))
    if result.context.get("library_build_type") == "debug":
        source.notes.append(f"{path.name}: its Google Benchmark is a debug build")
    if backend_part:
        without = [name for name in result.repetitions if backend_part.split(name) is None]
        if without:
            few = f"{len(without)} of {len(result.repetitions)} benchmarks"
            source.notes.append(f"{path.name}: {few} have no such part, the first is {without[0]}")
    named = _named(path, result.repetitions, backend_part)
    for name, repetitions in result.repetitions.items():
        case, backend = named[name]
        places = _places(case, backend, run)
        row = Row(name, places["workload"], places["case"], backend, 0, "task", 0.0, "")
        counters = dict(enumerate(repetitions))
        series = Series(row, places, counters, error=result.errors.get(name, ""))
        source.series.append(series)
        lost = result.lost.get(name, [])
        if counters and lost:
            every = len(counters) + len(lost)
            source.notes.append(f"{name}: {len(lost)} of {every} repetitions: {lost[-1]}")
        source.blocks = max(source.blocks, len(counters))
    return source
