"""The screen of scripts/choose: what to pick and why, what each of the others would cost, and where the
answer would change."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.text import Text

from overlap.base.units import NOT_MEASURED, in_blocks
from overlap.judge.choice import Pick, costs_of
from overlap.judge.comparison import Cell
from overlap.judge.metrics import METRICS, Metric
from overlap.judge.series import Series, Source
from overlap.judge.statistics import paired
from overlap.judge.verdicts import Verdict
from overlap.show import grid
from overlap.show.grid import Column, Grid, Line
from overlap.show.heads import head_line
from overlap.show.verdict_page import DEPENDS, interval, ratio

WIDTH = 100
# By their names on this page, with the workload that has them.
FIGURES = {
    "wall": "time",
    "p99": "99th percentile of latency",
    "cpu": "CPU time",
    "memory": "memory",
    "gap": "longest gap",
}
LEADS = "  "


@dataclass(frozen=True)
class Neighbour:
    """Ten times as much of something, in words, and what to pick there; or why that is not known."""

    words: str
    pick: Pick | None = None
    source: Source | None = None
    why: str = ""


@dataclass(frozen=True)
class Answer:
    """`figures` says by metric where it was measured, and in which case. `left_out` are lines, and
    `closer` commands."""

    work: str
    figures: Mapping[str, tuple[Source, str]]
    pick: Pick
    neighbours: Sequence[Neighbour]
    left_out: Sequence[str]
    closer: Sequence[str]

    @property
    def source(self) -> Source:
        """Of the figure that decides."""
        return self.figures[self.pick.metric.name][0]


def value_of(series: Series, metric: Metric) -> str:
    """With its 95% interval where there are blocks enough for one."""
    values = series.seen_by(metric).values.values()
    if not values or min(values) <= 0:
        return metric.show(series.seen_by(metric).middle())
    found = paired(np.log(np.array([list(values)])))
    shown = metric.show(math.exp(float(found.centre[0])))
    if not (math.isfinite(found.low[0]) and math.isfinite(found.high[0])):
        return shown
    low, high = (metric.show(math.exp(float(end[0]))) for end in (found.low, found.high))
    return f"{shown} [{low}, {high}]"


def _series(source: Source, case: str, backend: str) -> Series | None:
    return next((s for s in source.series if s.case == case and s.backend == backend), None)


def _cell(cell: Cell | None, with_interval: bool) -> str:
    """A ratio to the pick."""
    if cell is None or cell.words or not cell.series.values:
        return NOT_MEASURED
    if cell.verdict is None:
        return "1"
    parts = [ratio(cell.centre)]
    if with_interval and math.isfinite(cell.low) and math.isfinite(cell.high):
        parts.append(interval(cell))
    parts.append(cell.verdict.value + (DEPENDS if cell.depends_on_dirty else ""))
    return " ".join(parts)


def why(answer: Answer) -> Iterator[str]:
    """What the pick was measured to need."""
    pick = answer.pick
    parts = []
    for name, (source, case) in answer.figures.items():
        series = _series(source, case, pick.first)
        metric = METRICS[name]
        if series and series.seen_by(metric).values:
            per = {"cpu": f" per {series.row.unit}", "memory": " per task"}
            parts.append(f"{FIGURES[name]} {value_of(series, metric)}{per.get(name, '')}")
    yield f"{pick.first} needs: {', '.join(parts)}."


def verdict(answer: Answer) -> Iterator[str]:
    pick = answer.pick
    by = FIGURES[pick.metric.name]
    if pick.undecided:
        yield f"Pick {pick.first}: it has the lowest median of {by}, but {pick.undecided}."
    elif len(pick.tier) == 1:
        yield f"Pick {pick.first}: nothing else is in its tier by {by}."
    else:
        yield (
            f"Pick any of {', '.join(pick.tier)}: by {by} none of them is shown to need more than the "
            f"best; {pick.first} has the least CPU time of them."
        )
    yield from why(answer)


def costs(answer: Answer) -> Grid:
    """A line a backend, ratios to the pick."""
    pick = answer.pick
    found = {
        name: costs_of(source, case, METRICS[name], pick.first)
        for name, (source, case) in answer.figures.items()
    }
    found = {name: cells for name, cells in found.items() if cells}
    columns = [Column("what others need, ÷ the pick", left=True)]
    columns += [Column(FIGURES[name], left=True) for name in found]
    rows = [s for s in answer.source.series if s.case == pick.case and not s.placebo_of]
    main = found.get(pick.metric.name, {})

    def place(series: Series) -> float:
        cell = main.get(series.backend)
        return cell.centre if cell and not cell.words else math.inf

    lines = []
    for series in sorted(rows, key=place):
        words = pick.excluded.get(series.backend) or series.words
        if words.startswith("left out") or series.backend == pick.first:
            continue
        cells = [
            _cell(of_metric.get(series.backend), with_interval=name != "memory")
            for name, of_metric in found.items()
        ]
        name = series.backend + (" *" if series.backend in pick.tier else "")
        lines.append(Line([name], words=words) if words else Line([name, *cells]))
    return Grid("", columns, lines)


def changes(answer: Answer) -> Iterator[str]:
    """One line a neighbour: whether the pick would stay."""
    for neighbour in answer.neighbours:
        yield f"{LEADS}{neighbour.words}: {_change(neighbour, answer.pick)}"


def _change(neighbour: Neighbour, pick: Pick) -> str:
    there, source = neighbour.pick, neighbour.source
    if there is None or source is None or not there.tier:
        return f"not measured: {neighbour.why}" if neighbour.why else "not measured"
    blocks = in_blocks(there.blocks)
    sure = f"{blocks}, too few for a verdict" if there.undecided else blocks
    best = there.first if pick.first not in there.tier else pick.first
    series = _series(source, there.case, best)
    value = value_of(series, there.metric) if series else NOT_MEASURED
    if best == pick.first:
        return f"the same, {value}{_next(source, there)} ({sure})"
    cell = costs_of(source, there.case, there.metric, best).get(pick.first)
    if cell is None or cell.words or cell.verdict is None:
        return f"{best}, {value}; {pick.first}: {_words_of(source, there, pick)} ({sure})"
    return f"{best}, {value}, instead of {pick.first}: it needs {_cell(cell, True)} times as much ({sure})"


def _words_of(source: Source, there: Pick, pick: Pick) -> str:
    series = _series(source, there.case, pick.first)
    return (series.words if series else "") or "not measured"


def _next(source: Source, there: Pick) -> str:
    """The best one that is not in the tier."""
    cells = costs_of(source, there.case, there.metric, there.first).values()
    others = [c for c in cells if c.verdict and c.series.backend not in there.tier]
    if not others:
        return ""
    nearest = min(others, key=lambda cell: cell.centre)
    return f"; next {nearest.series.backend}, {_cell(nearest, True)} times as much"


READING = (
    f"Ratios to the pick with 95% intervals: {Verdict.LESS.value} less, {Verdict.MORE.value} more, "
    f"{Verdict.SAME.value} the same, {Verdict.DIFFERS.value} a difference that does not matter, "
    f"{Verdict.UNKNOWN.value} unknown, {DEPENDS} depends on samples that the "
    "machine disturbed. * in the pick's tier."
)


def lines_of(answer: Answer, width: int = WIDTH) -> Iterator[Text]:
    def text(words: str, style: str = "") -> Text:
        return Text(grid.wrapped(words, width, LEADS), style=style)

    yield text(answer.work, "bold")
    if answer.source.records:
        yield text(head_line(answer.source.records), "dim")
    yield Text()
    if not answer.pick.tier:
        yield text("Nothing was measured that could be picked.", "bold")
        yield from grid.terminal(costs(answer), width)
        yield from (text(line, "dim") for line in answer.left_out)
        return
    yield from (text(line, "bold" if i == 0 else "") for i, line in enumerate(verdict(answer)))
    yield Text()
    yield from grid.terminal(costs(answer), width)
    yield text(READING, "dim")
    yield from (text(line, "dim") for line in answer.left_out)
    yield Text()
    if answer.neighbours:
        yield text("Where the answer would change:")
        yield from (text(line) for line in changes(answer))
        yield Text()
    yield text("A closer look:")
    yield from (Text(LEADS + line) for line in answer.closer)


def print_terminal(answer: Answer, console: Console) -> None:
    width = min(WIDTH, console.width) if console.is_terminal else WIDTH
    for line in lines_of(answer, width):
        console.print(line, soft_wrap=True)
