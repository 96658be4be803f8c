"""From records to tables: one for each workload, grouped by case, medians over blocks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from overlap.base.units import NOT_MEASURED, byte_count, plain, seconds, several_seconds
from overlap.judge.series import RowSamples, samples_of_rows
from overlap.records.files import Records
from overlap.records.models import OWN_VERSION, is_absent, language_of, model_of, place_of


@dataclass(frozen=True)
class Column:
    """`optional` columns are left out of a narrow terminal, the highest number first."""

    header: str
    optional: int = 0


@dataclass(frozen=True)
class Line:
    """One backend: either all its cells, or the words that say why there are none."""

    backend: str
    cells: list[str] = field(default_factory=list)
    words: str = ""


@dataclass
class Table:
    workload: str
    columns: list[Column]
    cases: dict[str, list[Line]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


Cell = Callable[[RowSamples, RowSamples | None], str]


def _spread(row: RowSamples) -> str:
    return several_seconds(row.range("wall_s"), "–")


def _percentiles(prefix: str) -> Cell:
    names = [f"{prefix}_{which}_s" for which in ("p50", "p99", "max")]
    return lambda row, _: several_seconds([row.middle(name) for name in names])


def _gaps(row: RowSamples, _: RowSamples | None) -> str:
    return several_seconds([row.middle("gap_max_s"), row.middle("gap_mean_s")])


def _ratio(counter: str) -> Cell:
    return lambda row, floor: plain(row.ratio(floor, counter)) if floor else NOT_MEASURED


def _memory(row: RowSamples) -> float | None:
    """A slope below 0 says that tasks take less than what comes and goes with the program itself."""
    slope = row.middle("bytes_per_task")
    return slope if slope is not None and slope > 0 else None


def _syscalls(row: RowSamples, _: RowSamples | None) -> str:
    return plain(row.middle("syscalls_per_task"))


def _instructions(row: RowSamples, _: RowSamples | None) -> str:
    return plain(row.counted.get("instructions_per_task"))


def _verified(row: RowSamples, _: RowSamples | None) -> str:
    return "✓" if not row.error else f"✓ {len(row.by_block)}/{row.attempted}"


# What a table with peers says of each backend besides.
PEER_COLUMNS: list[tuple[Column, Cell]] = [
    (Column("model", optional=4), lambda row, _: model_of(row.row)),
    (Column("language", optional=5), lambda row, _: language_of(row.row)),
    (Column("version", optional=6), lambda row, _: row.row.version or OWN_VERSION),
    (Column("start-up", optional=7), lambda row, _: seconds(row.middle("startup_s"))),
]


# Beside the memory of a task: an interpreter and a collector's heap are there before any task.
PEAK: tuple[Column, Cell] = (
    Column("peak memory", optional=3),
    lambda row, _: byte_count(row.middle("peak_memory_bytes")),
)


def _has_peers(rows: Sequence[RowSamples]) -> bool:
    return any(row.row.model for row in rows)


def _columns(rows: Sequence[RowSamples]) -> list[tuple[Column, Cell]]:
    """The columns of a workload's table: percentiles and the ratio of CPU time only where the
    workload has them."""
    unit = rows[0].row.unit
    counters = {name for row in rows for block in row.by_block.values() for name in block}
    columns: list[tuple[Column, Cell]] = [
        *(PEER_COLUMNS if _has_peers(rows) else []),
        (Column("wall"), lambda row, _: seconds(row.middle("wall_s"))),
        (Column("min–max", optional=3), lambda row, _: _spread(row)),
        (Column("C"), lambda row, _: plain(row.middle("concurrency"))),
        (Column("P"), lambda row, _: plain(row.middle("parallelism"))),
        (Column(f"CPU/{unit}"), lambda row, _: seconds(row.middle("cpu_per_task_s"))),
        (
            Column("memory/task", optional=1),
            lambda row, _: byte_count(_memory(row)),
        ),
        *([PEAK] if _has_peers(rows) else []),
    ]
    if "syscalls_per_task" in counters:
        columns.append((Column(f"syscalls/{unit}", optional=2), _syscalls))
    if any("instructions_per_task" in row.counted for row in rows):
        columns.append((Column(f"instructions/{unit}", optional=2), _instructions))
    for prefix in ("lateness", "latency"):
        if f"{prefix}_p50_s" in counters or f"{prefix}_max_s" in counters:
            columns.append((Column(f"{prefix} p50 / p99 / max", optional=2), _percentiles(prefix)))
    if "gap_max_s" in counters:
        columns.append((Column("gap max / mean"), _gaps))
    columns.append((Column("wall ÷ floor"), _ratio("wall_s")))
    if rows[0].row.workload == "echo":
        columns.append((Column("CPU ÷ floor"), _ratio("cpu_per_task_s")))
    columns.append((Column("verified"), _verified))
    return columns


FLOORS = ("floor", "floor:uring", "floor:epoll")  # The first one that ran is compared with.


def _floor(rows: Sequence[RowSamples]) -> RowSamples | None:
    measured = {row.row.backend: row for row in rows if not row.words}
    return next((measured[name] for name in FLOORS if name in measured), None)


def build_table(workload: str, rows: Sequence[RowSamples]) -> Table:
    columns = _columns(rows)
    table = Table(workload, [column for column, _ in columns])
    floors: dict[str, list[str]] = {}
    for case in dict.fromkeys(row.row.case for row in rows):
        of_case = [row for row in rows if row.row.case == case and not is_absent(row.row)]
        if _has_peers(rows):
            of_case.sort(key=lambda row: place_of(model_of(row.row)))
        floor = _floor(of_case)
        floors.setdefault(floor.row.backend if floor else "", []).append(case)
        table.cases[case] = _lines(of_case, floor, columns)
        table.notes += [note for row in of_case for note in (_note(row), _retry_note(row)) if note]
    table.notes[:0] = _floor_notes(floors)
    table.notes += _absence_notes(rows)
    return table


def _lines(
    of_case: Sequence[RowSamples], floor: RowSamples | None, columns: list[tuple[Column, Cell]]
) -> list[Line]:
    """One line a backend, or one for all of them when none was to be measured for one reason. A
    placebo is no backend: it has no line, and a note instead."""
    backends = [row for row in of_case if not row.row.placebo_of]
    reasons = {row.row.skip for row in backends}
    if len(backends) > 1 and len(reasons) == 1 and "" not in reasons:
        return [Line("all backends", words=reasons.pop())]
    return [
        Line(row.row.backend, words=row.words)
        if row.words
        else Line(row.row.backend, [cell(row, floor) for _, cell in columns])
        for row in backends
    ]


def _note(row: RowSamples) -> str:
    """What a reader should know beside a row's numbers; empty if nothing."""
    if row.words:
        return ""
    if row.error:
        return (
            f"{row.row.row}: {len(row.by_block)} of {row.attempted} blocks measured, then given "
            f"up: {row.error}"
        )
    if row.row.placebo_of:
        return (
            f"{row.row.row}: {row.row.placebo_of} once more under another name, "
            f"{seconds(row.middle('wall_s'))} ({_spread(row)})"
        )
    if row.row.blocks and row.row.because:
        return f"{row.row.row}: in {row.row.blocks} blocks only: {row.row.because}"
    return ""


def _retry_note(row: RowSamples) -> str:
    """How often a row's numbers are those of a second try, and why; empty if never."""
    retried = [words for block, words in row.failures.items() if block in row.by_block]
    if row.words or not retried:
        return ""
    blocks = f"{len(retried)} of {row.attempted} blocks"
    return f"{row.row.row}: measured at the second try in {blocks}: {retried[-1]}"


def _absence_notes(rows: Sequence[RowSamples]) -> list[str]:
    absent = [row.row for row in rows if is_absent(row.row)]
    return list(dict.fromkeys(f"{row.backend} ({row.language}) {row.skip}" for row in absent))


def _floor_notes(floors: dict[str, list[str]]) -> list[str]:
    """Which floor is compared with, and where there is none."""
    names = [name for name in floors if name]
    notes = []
    if names == ["floor"]:
        notes.append("÷ floor: the ratio to `floor` of the same block, median over blocks")
    else:
        for name in names:
            where = "" if len(names) == 1 else f" ({', '.join(floors[name])})"
            notes.append(
                f"÷ floor: the ratio to `{name}` of the same block, median over blocks{where}"
            )
    if "" in floors:
        notes.append(f"no floor was measured for {', '.join(floors[''])}: no ratio to it")
    return notes


def build_tables(records: Records) -> list[Table]:
    rows = list(samples_of_rows(records).values())
    return [
        build_table(workload, [row for row in rows if row.row.workload == workload])
        for workload in dict.fromkeys(row.row.workload for row in rows)
    ]


def harness_share(records: Records) -> float | None:
    """The largest share of a sample's wall time that the harness itself took."""
    shares = [s["counters"].get("harness_share") for s in records.samples if "counters" in s]
    return max((share for share in shares if share is not None), default=None)


def contaminated_share(records: Records) -> float:
    """The share of samples during which the machine was busy with something else."""
    samples: list[dict[str, Any]] = records.samples
    dirty = sum(bool(sample.get("contamination", {}).get("dirty")) for sample in samples)
    return dirty / len(samples) if samples else 0.0
