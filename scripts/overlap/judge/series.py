"""What is compared: the samples of record files, and results that Google Benchmark wrote."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from overlap.base.exits import RecordError
from overlap.judge.metrics import Metric
from overlap.records import google_benchmark
from overlap.records.files import Records, read_records
from overlap.records.models import model_of
from overlap.records.rows import FAILURES, Row
from overlap.records.slow import SlowRows, rules_of


Counters = dict[str, float]


@dataclass
class RowSamples:
    """What a run knows of one row."""

    row: Row
    by_block: dict[int, Counters] = field(default_factory=dict)
    error: str = ""  # Of the last sample that failed, if no later one in its block went well.
    attempted: int = 0  # Blocks with a sample, good or not.
    failures: dict[int, str] = field(default_factory=dict)  # By block, the last one in words.
    counted: Counters = field(default_factory=dict)  # Apart from the samples, once.

    def middle(self, counter: str) -> float | None:
        """The median over the blocks that carry the counter."""
        values = [counters[counter] for counters in self.by_block.values() if counter in counters]
        return median(values) if values else None

    def range(self, counter: str) -> list[float]:
        values = [counters[counter] for counters in self.by_block.values() if counter in counters]
        return [min(values), max(values)] if values else []

    def ratio(self, other: "RowSamples", counter: str) -> float | None:
        """The median of the ratios within each block: samples of different blocks are never
        compared."""
        ratios = [
            counters[counter] / other.by_block[block][counter]
            for block, counters in self.by_block.items()
            if counter in counters and other.by_block.get(block, {}).get(counter, 0) > 0
        ]
        return median(ratios) if ratios else None

    @property
    def words(self) -> str:
        """Why this row shows no numbers; empty if it shows them. One wrong result takes back the
        others."""
        if self.row.skip:
            return self.row.skip
        if self.by_block and not self.error.startswith("wrong"):
            return ""
        return self.error or "not measured yet"


def samples_of_rows(records: Records) -> dict[str, RowSamples]:
    """By the rows' names, in the order of the specification."""
    listed = [Row.from_record(record) for record in records.head["rows"]]
    slow = SlowRows(rules_of(records.head), listed)
    for sample in records.samples:
        slow.add(sample)
    rows = {row.row: RowSamples(slow.applied(row)) for row in listed}
    blocks: dict[str, set[int]] = {}
    for sample in records.samples:
        row, block = rows[sample["row"]], sample["block"]
        blocks.setdefault(sample["row"], set()).add(block)
        row.attempted = len(blocks[sample["row"]])
        if "error" in sample:
            row.error = row.failures[block] = sample["error"]
        else:
            row.by_block[block] = sample["counters"]
            row.error = row.error if row.error.startswith("wrong") else ""
    for count in records.counts:
        rows[count["row"]].counted = count.get("counters", {})
    return rows


@dataclass
class Series:
    """One row of one file: its name, and its values by block. `places` says where it belongs: file, commit,
    machine, profile, workload, case, backend, runtime and loop, by these names."""

    row: str
    places: dict[str, str]
    values: dict[int, float] = field(default_factory=dict)
    dirty: set[int] = field(default_factory=set)  # Blocks with a contaminated sample.
    repeats: dict[int, int] = field(default_factory=dict)  # Block run again, by its repetition.
    words: str = ""  # Why there are no values.
    placebo_of: str = ""
    model: str = ""  # Of a run with peers: how the backend runs things at once.

    @property
    def case(self) -> str:
        return self.places["case"]

    @property
    def backend(self) -> str:
        return self.places["backend"]

    @property
    def failed(self) -> bool:
        return self.words.startswith(FAILURES)

    def middle(self) -> float | None:
        return median(self.values.values()) if self.values else None


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


def read_source(path: Path, metric: Metric) -> Source:
    """Reads a file of either kind. Raises RecordError."""
    if google_benchmark.is_result(path):
        return _from_google_benchmark(path, metric)
    return from_records(read_records(path), metric)


def _places(row: str, backend: str, run: dict[str, str]) -> dict[str, str]:
    workload, _, _ = row.partition("/")
    runtime, _, loop = backend.partition(":")
    case = row.removesuffix(f"/{backend}")
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
        "file": path.stem,
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


def from_records(records: Records, metric: Metric) -> Source:
    head = records.head
    run = _run_places(records.path, head)
    source = Source(records.path, [], True, run, cases=_cases(head), records=records)
    source.seed = abs(head["seed"])
    if records.cut_short:
        source.notes.append(f"{records.path}: {records.cut_short} and is left out")
    if records.problems:
        source.notes.append(f"{records.path}: {len(records.problems)} of its lines are not sound")
    listed = [Row.from_record(record) for record in head["rows"]]
    has_peers = any(row.model for row in listed)
    rows: dict[str, Series] = {}
    for row in listed:
        series = Series(row.row, _places(row.row, row.backend, run), words=row.skip)
        series.placebo_of = row.placebo_of
        series.model = model_of(row) if has_peers else ""
        rows[row.row] = series
    samples = records.samples
    source.samples = len(samples)
    source.contaminated = sum(map(_is_dirty, samples))
    source.blocks = len({s["block"] for s in samples if "repeats_block" not in s})
    for sample in samples:
        _add(rows[sample["row"]], sample, metric)
    for series in rows.values():
        if series.words.startswith("wrong"):
            series.values.clear()  # One wrong result takes back the others.
        elif series.values:
            series.words = ""
        elif not series.words:
            series.words = "not measured"
    source.series = list(rows.values())
    return source


def _is_dirty(sample: dict[str, Any]) -> bool:
    return bool(sample.get("contamination", {}).get("dirty"))


def _add(series: Series, sample: dict[str, Any], metric: Metric) -> None:
    block = sample["block"]
    if "error" in sample:
        if not series.words.startswith("wrong"):
            series.words = sample["error"]
        return
    value = metric.of(sample["counters"])
    if value is None:
        series.words = series.words or f"{metric.title}: not measured"
        return
    series.values[block] = value
    if _is_dirty(sample):
        series.dirty.add(block)
    if "repeats_block" in sample:
        series.repeats[block] = sample["repeats_block"]


def _from_google_benchmark(path: Path, metric: Metric) -> Source:
    try:
        result = google_benchmark.read_result(path)
    except (ValueError, OSError) as error:
        raise RecordError(f"{path}: {error}") from error
    run = {"file": path.stem, "commit": "unknown", "profile": "google benchmark"}
    run["machine"] = str(result.context.get("host_name") or "unknown")
    source = Source(path, [], False, run, samples=sum(map(len, result.repetitions.values())))
    for name, repetitions in result.repetitions.items():
        # Ours are named workload/case/backend; other names are cases of one nameless backend.
        parts = name.split("/")
        backend = parts[2] if len(parts) == 3 and not parts[2].isdigit() else "benchmark"
        series = Series(name, _places(name, backend, run))
        values = enumerate(map(metric.of, repetitions))
        series.values = {i: value for i, value in values if value is not None}
        if not series.values:
            series.words = result.errors.get(name, f"{metric.title}: not measured")
        source.series.append(series)
        source.blocks = max(source.blocks, len(series.values))
    return source
