"""How two or more runs differ, as scripts/compare has it: what is real first."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from overlap.judge.comparison import Cell, Comparison, Question, compare
from overlap.judge.metrics import METRICS
from overlap.judge.series import Source
from overlap.judge.verdicts import DIFFERENT, Verdict
from overlap.show.verdict_page import interval, ratio, verdict

FIGURES = ("wall", "cpu", "memory", "gap")


@dataclass(frozen=True)
class Line:
    row: str
    metric: str
    file: str
    before: str
    now: str
    ratio: str
    interval: str
    verdict: str
    size: float


@dataclass(frozen=True)
class Differences:
    """`tables` are titles with their lines, those that matter first."""

    words: str
    notes: Sequence[str]
    tables: Sequence[tuple[str, Sequence[Line]]]


TITLES = {
    "Real, and they matter": DIFFERENT,
    "Real, but less than matters": (Verdict.DIFFERS,),
    "Unknown": (Verdict.UNKNOWN,),
    "Machine unstable": (Verdict.WITHHELD,),
    "The same": (Verdict.SAME,),
}


def differences(sources: Sequence[Source]) -> Differences | None:
    """Of all runs from the first one; None where there is only one."""
    if len(sources) < 2:
        return None
    first = sources[0].places["file"]
    found: dict[str, list[Line]] = {title: [] for title in TITLES}
    for metric in (METRICS[name] for name in FIGURES):
        seen = [source.seen_by(metric) for source in sources]
        comparison = compare(seen, Question(metric, "file", first))
        for title, line in _lines(comparison):
            found[title].append(line)
    for lines in found.values():
        lines.sort(key=lambda line: -line.size)
    real, every = len(found["Real, and they matter"]), sum(map(len, found.values()))
    how = f"against {first}, unpaired, through the reference of each run"
    words = f"{real} of {every} figures in common differ by more than matters ({how})."
    if not every:
        words = "These runs have no figures in common that could be compared."
    machines = dict.fromkeys(source.places["machine"] for source in sources)
    notes = [f"Measured on different machines: {', '.join(machines)}."] * (len(machines) > 1)
    return Differences(words, notes, list(found.items()))


def _lines(comparison: Comparison) -> Iterator[tuple[str, Line]]:
    titles = {found: title for title, verdicts in TITLES.items() for found in verdicts}
    for cell in comparison.judged:
        if cell.verdict is not None:
            yield titles[cell.verdict], _line(cell, comparison)


def _line(cell: Cell, comparison: Comparison) -> Line:
    metric, base = comparison.question.metric, cell.baseline
    size = abs(cell.centre) if math.isfinite(cell.centre) else 0.0
    return Line(
        cell.series.name,
        metric.title,
        cell.series.places["file"],
        metric.show(base.middle() if base else None),
        metric.show(cell.series.middle()),
        ratio(cell.centre),
        interval(cell),
        verdict(cell, comparison),
        size,
    )
