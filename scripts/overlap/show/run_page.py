"""The tables of a run: one for each workload, grouped by case, medians over blocks."""

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.text import Text

from overlap.base.exits import UsageError
from overlap.base.units import (
    NOT_MEASURED,
    byte_count,
    in_blocks,
    plain,
    seconds,
    several_seconds,
    share,
)
from overlap.judge.curves import is_swept
from overlap.judge.first_runs import FIRST, LATER_RUNS, first_run, is_of_first_run, which_runs
from overlap.judge.metrics import METRICS
from overlap.judge.series import GATED_SHARE, GENERATOR_BOUND, Series, from_records, gate_name
from overlap.records.files import Records
from overlap.records.models import OWN_VERSION, is_absent, language_of, model_of, place_of
from overlap.show import grid
from overlap.show.brief import WIDTH, briefly, not_run, not_run_at_all
from overlap.show.grid import Column, Grid, Line
from overlap.show.heads import closing_lines, head_line

Cell = Callable[[Series, Series | None], str]


def _spread(row: Series) -> str:
    walls = row.counts("wall_s").values()
    return several_seconds([min(walls), max(walls)] if walls else [], "–")


def _wall(row: Series, _: Series | None) -> str:
    wall_s = row.median_of("wall_s")
    return gate_name(row.gate) if wall_s is None and row.gate else seconds(wall_s)


def _first_run(row: Series, _: Series | None) -> str:
    if is_of_first_run(row):
        return "is this"
    found = [first_run(row, METRICS[name]) for name in FIRST]
    shown = ["=" if value is None else seconds(value) for value in found]
    return "=" if found == [None, None] else " / ".join(shown)


def _percentiles(prefix: str) -> Cell:
    names = [f"{prefix}_{which}_s" for which in ("p50", "p99", "max")]

    def cell(row: Series, _: Series | None) -> str:
        if row.gate and prefix == "latency":
            return gate_name(row.gate)
        return several_seconds([row.median_of(name) for name in names])

    return cell


def _slowest_connection(row: Series, _: Series | None) -> str:
    return gate_name(row.gate) if row.gate else plain(row.median_of("slowest_connection_ratio"))


def _gaps(row: Series, _: Series | None) -> str:
    return several_seconds([row.median_of("gap_max_s"), row.median_of("gap_mean_s")])


def _servers_cpu(row: Series, _: Series | None) -> str:
    return seconds(row.median_of("server_cpu_per_task_s"))


def _ratio(counter: str) -> Cell:
    return lambda row, floor: plain(row.ratio(floor, counter)) if floor else NOT_MEASURED


def _memory(row: Series) -> float | None:
    """A slope below 0 says that tasks take less than what comes and goes with the program itself."""
    slope = row.median_of("bytes_per_task")
    return slope if slope is not None and slope > 0 else None


def _syscalls(row: Series, _: Series | None) -> str:
    return plain(row.median_of("syscalls_per_task"))


def _instructions(row: Series, _: Series | None) -> str:
    return plain(row.counted.get("instructions_per_task"))


def _verified(row: Series, _: Series | None) -> str:
    return "✓" if not row.error else f"✓ {len(row.by_block)}/{len(row.attempted)}"


# What a table with peers says of each backend besides.
PEER_COLUMNS: list[tuple[Column, Cell]] = [
    (Column("model", optional=4), lambda row, _: model_of(row.row)),
    (Column("language", optional=5), lambda row, _: language_of(row.row)),
    (Column("version", optional=6), lambda row, _: row.row.version or OWN_VERSION),
    (Column("start-up", optional=7), lambda row, _: seconds(row.median_of("startup_s"))),
]


# Beside the memory of a task: an interpreter and a collector's heap are there before any task.
PEAK: tuple[Column, Cell] = (
    Column("peak memory", optional=3),
    lambda row, _: byte_count(row.median_of("peak_memory_bytes")),
)


P: tuple[Column, Cell] = (Column("P"), lambda row, _: plain(row.median_of("parallelism")))
# Where some wait by polling.
USEFUL: tuple[Column, Cell] = (
    Column("useful P", optional=2),
    lambda row, _: plain(row.median_of("useful_parallelism")),
)


# What the first run of the case in a process came to, where that is not what later ones do.
FIRST_RUN: tuple[Column, Cell] = (Column("first run: wall / CPU", optional=3), _first_run)


def _has_peers(rows: Sequence[Series]) -> bool:
    return any(row.row.model for row in rows)


def _columns(rows: Sequence[Series]) -> list[tuple[Column, Cell]]:
    """The columns of a workload's table: percentiles and the ratio of CPU time only where the
    workload has them."""
    unit = rows[0].row.unit
    counters = {name for row in rows for block in row.by_block.values() for name in block}
    columns: list[tuple[Column, Cell]] = [
        *(PEER_COLUMNS if _has_peers(rows) else []),
        (Column("wall"), _wall),
        (Column("min–max", optional=3), lambda row, _: _spread(row)),
        (Column("C"), lambda row, _: plain(row.median_of("concurrency"))),
        P,
        (Column(f"CPU/{unit}"), lambda row, _: seconds(row.median_of("cpu_per_task_s"))),
        *([FIRST_RUN] if LATER_RUNS in counters else []),
        (
            Column("memory/task", optional=1),
            lambda row, _: byte_count(_memory(row)),
        ),
        *([PEAK] if _has_peers(rows) else []),
    ]
    if "useful_parallelism" in counters:
        columns.insert(columns.index(P) + 1, USEFUL)
    if "syscalls_per_task" in counters:
        columns.append((Column(f"syscalls/{unit}", optional=2), _syscalls))
    if any("instructions_per_task" in row.counted for row in rows):
        columns.append((Column(f"instructions/{unit}", optional=2), _instructions))
    for prefix in ("lateness", "latency"):
        if f"{prefix}_p50_s" in counters or f"{prefix}_max_s" in counters:
            columns.append((Column(f"{prefix} p50 / p99 / max", optional=2), _percentiles(prefix)))
    if "slowest_connection_ratio" in counters:
        columns.append((Column("slowest connection ÷ median"), _slowest_connection))
    if "gap_max_s" in counters:
        columns.append((Column("gap max / mean"), _gaps))
    if "server_cpu_per_task_s" in counters:
        columns.append((Column(f"server's CPU/{unit}", optional=2), _servers_cpu))
    columns.append((Column("wall ÷ floor"), _ratio("wall_s")))
    if rows[0].row.workload in ("echo", "fetch", "query"):
        columns.append((Column("CPU ÷ floor"), _ratio("cpu_per_task_s")))
    columns.append((Column("verified"), _verified))
    return columns


FLOORS = ("floor", "floor:uring", "floor:epoll")  # The first one that ran is compared with.


def _floor(rows: Sequence[Series]) -> Series | None:
    measured = {row.backend: row for row in rows if not row.words}
    return next((measured[name] for name in FLOORS if name in measured), None)


def build_table(workload: str, rows: Sequence[Series], brief: bool = False) -> Grid:
    """With `brief`, what was not to be measured is one line a case, and what a reader of the figures
    need not know is no note."""
    columns = _columns(rows)
    table = Grid(workload, [Column("backend", left=True)], [], group="case")
    table.columns += [column for column, _ in columns]
    floors: dict[str, list[str]] = {}
    for case in dict.fromkeys(row.row.case for row in rows):
        of_case = [row for row in rows if row.row.case == case and not is_absent(row.row)]
        if _has_peers(rows):
            of_case.sort(key=lambda row: place_of(model_of(row.row)))
        floor = _floor(of_case)
        runnable = [row for row in of_case if not row.row.skip]
        if brief and not runnable:
            table.notes += not_run_at_all(case, of_case)
            continue
        floors.setdefault(floor.backend if floor else "", []).append(case)
        table.lines += _lines(case, runnable if brief else of_case, floor, columns)
        if brief:
            table.lines += [Line(*words, group=case) for words in not_run(of_case)]
        table.notes += [note for row in of_case for note in (_note(row), _retry_note(row)) if note]
    if brief:
        table.notes = briefly(table.notes)
    table.notes[:0] = [*which_runs(rows), *_floor_notes(floors)]
    table.notes += gate_notes(rows) + _absence_notes(rows)
    return table


def _lines(
    case: str, of_case: Sequence[Series], floor: Series | None, columns: list[tuple[Column, Cell]]
) -> list[Line]:
    """One line a backend, or one for all of them when none was to be measured for one reason. A
    placebo is no backend: it has no line, and a note instead."""
    backends = [row for row in of_case if not row.placebo_of]
    reasons = {row.row.skip for row in backends}
    if len(backends) > 1 and len(reasons) == 1 and "" not in reasons:
        return [Line(["all backends"], words=reasons.pop(), group=case)]
    return [
        Line([row.backend], words=row.words, group=case)
        if row.words
        else Line([row.backend, *(cell(row, floor) for _, cell in columns)], group=case)
        for row in backends
    ]


def _note(row: Series) -> str:
    """What a reader should know beside a row's numbers; empty if nothing."""
    if row.words:
        return ""
    if row.error:
        return (
            f"{row.name}: {len(row.by_block)} of {len(row.attempted)} blocks measured, then given "
            f"up: {row.error}"
        )
    if row.placebo_of:
        return (
            f"{row.name}: {row.placebo_of} once more under another name, "
            f"{seconds(row.median_of('wall_s'))} ({_spread(row)})"
        )
    if row.row.blocks and row.row.because:
        return f"{row.name}: in {in_blocks(row.row.blocks)} only: {row.row.because}"
    return ""


def _retry_note(row: Series) -> str:
    """How often a row's numbers are those of a second try, and why; empty if never."""
    retried = [words for block, words in row.failures.items() if block in row.by_block]
    if row.words or not retried:
        return ""
    blocks = f"{len(retried)} of {len(row.attempted)} blocks"
    return f"{row.name}: measured at the second try in {blocks}: {retried[-1]}"


# What it means that a gate closed, where that is no fault of the server's.
GENERATOR_GATES = {
    GENERATOR_BOUND: "the load generator had no time left",
    "generator late": "the load generator sent messages after they were due",
}


def gate_notes(rows: Sequence[Series]) -> list[str]:
    found = {gate_name(row.gate) for row in rows if row.gate and not row.words}
    return [
        f"{name}: {GENERATOR_GATES.get(name, 'rate and latency are not those of a steady state')} "
        f"in over {share(GATED_SHARE)} of the samples, so there are no wall times and latencies; "
        "CPU and system calls per message still hold"
        for name in sorted(found)
    ]


def _absence_notes(rows: Sequence[Series]) -> list[str]:
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


def build_tables(records: Records, brief: bool = False) -> list[Grid]:
    """Of all cases but those that are swept, which show/curves.py has."""
    rows = [row for row in from_records(records).series if not is_swept(row.case)]
    return [
        build_table(workload, [row for row in rows if row.row.workload == workload], brief)
        for workload in dict.fromkeys(row.row.workload for row in rows)
    ]


def markdown(records: Records) -> str:
    lines = [head_line(records), ""]
    for table in build_tables(records):
        lines += [f"### {table.title}", "", *grid.markdown(table), ""]
        lines += [f"* {note}" for note in table.notes] + [""] * bool(table.notes)
    return "\n".join(lines + [line + "  " for line in closing_lines(records)]) + "\n"


def print_terminal(records: Records, console: Console, brief: bool = False) -> None:
    """All that there is, or with `brief` what fits into as many columns as people read."""
    head = [Text(head_line(records), style="bold")]
    tables = [table for table in build_tables(records, brief) if table.lines or table.notes]
    width = min(grid.width_of(console), WIDTH) if brief else None
    grid.print_page(console, head, tables, map(Text, closing_lines(records)), width)


HEAD = "head"
LEFT_OUT = ("min–max", "verified")  # A page has no room for them; ./scripts/run --from has.


def measured(records: Records, what: str) -> str:
    """What was measured, without any judgement, as a page shows it, in Markdown: `what` is a case,
    or "head" for the head line. Raises UsageError if the records hold no such case."""
    if what == HEAD:
        return head_line(records) + "\n"
    tables = build_tables(records)
    cases = {f"{table.title}/{line.group}": table for table in tables for line in table.lines}
    if what not in cases:
        known = ", ".join(cases)
        raise UsageError(f"--measured {what!r}: expected {HEAD} or one of {known}")
    return "\n".join(grid.markdown(_of_case(cases[what], what))) + "\n"


def _of_case(table: Grid, name: str) -> Grid:
    """The lines of one case, with the columns in which it has something."""
    lines = [line for line in table.lines if f"{table.title}/{line.group}" == name]
    found = Grid("", table.columns, lines)
    shown = [
        index
        for index, column in enumerate(table.columns)
        if index == 0
        or column.header not in LEFT_OUT
        and any(cell != NOT_MEASURED for cell in found.column(index))
    ]
    found.columns = [table.columns[i] for i in shown]
    found.lines = [
        line if line.words else Line([line.cells[i] for i in shown]) for line in found.lines
    ]
    return found
