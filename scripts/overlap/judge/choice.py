"""Which backend to pick for a case, by one figure: any of the best tier, and of these first the one that
needs the least CPU time. What runs nothing at once is there to be compared with, and never picked."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from overlap.base.units import in_blocks
from overlap.judge.claims import COUNTED, LEAST_COUNTS
from overlap.judge.comparison import Case, Cell, Question, compare
from overlap.judge.metrics import METRICS, Metric, log_ratio
from overlap.judge.series import Series, Source
from overlap.judge.verdicts import MARGIN
from overlap.records.models import FLOOR, model_of

NO_CHOICE = (FLOOR, "sequential")


@dataclass
class Pick:
    """The best tier of a case by a metric, the first to take in front. Where blocks or the machine did
    not allow a verdict, it is the one with the lowest median alone, and `undecided` says why.
    `excluded` are backends that need too much memory, with words."""

    metric: Metric
    case: str
    tier: list[str] = field(default_factory=list)
    undecided: str = ""
    blocks: int = 0
    excluded: Mapping[str, str] = field(default_factory=dict)

    @property
    def first(self) -> str:
        return self.tier[0] if self.tier else ""


def _of_case(source: Source, case: str) -> list[Series]:
    return [s for s in source.series if s.case == case and not s.placebo_of]


def pick_of(source: Source, case: str, metric: Metric, excluded: Mapping[str, str]) -> Pick:
    choices = [
        series
        for series in source.seen_by(metric).series
        if series.case == case
        and model_of(series.row) not in NO_CHOICE
        and series.backend not in excluded
    ]
    measured = {s.backend: s for s in choices if s.values and not s.words and not s.placebo_of}
    blocks = max((len(series.values) for series in measured.values()), default=0)
    pick = Pick(metric, case, blocks=blocks, excluded=excluded)
    if not measured:
        return pick
    (found,) = compare([replace(source, series=choices)], Question(metric)).cases
    best = [cell.series.backend for cell in found.cells if cell.tier == 1]
    if metric.name in COUNTED and blocks >= LEAST_COUNTS and not found.noise.unstable:
        best = _least(list(measured.values()))
    if not best and len(measured) > 1:
        pick.undecided = _why_undecided(found, blocks)
    if not best:
        best = [min(measured, key=lambda name: median(measured[name].values.values()))]
    pick.tier = sorted(best, key=lambda name: _cost(measured[name]))
    return pick


def _least(measured: Sequence[Series]) -> list[str]:
    """Those whose counts are not all above those of another one, by more than matters: what is counted
    rather than timed is counted in few blocks."""
    least = min(max(series.values.values()) for series in measured)
    return [s.backend for s in measured if log_ratio(min(s.values.values()), least) <= MARGIN]


def _cost(series: Series) -> float:
    return series.median_of("cpu_per_task_s") or 0.0


def _why_undecided(case: Case, blocks: int) -> str:
    if case.noise.unstable:
        return "the machine is too unstable to judge"
    return f"{in_blocks(blocks)} cannot be judged"


def costs_of(source: Source, case: str, metric: Metric, pick: str) -> dict[str, Cell]:
    """Of all backends of a case, beside the pick: by backend. Empty if the pick has no such figure."""
    seen = source.seen_by(metric)
    series = [s for s in seen.series if s.case == case]
    if not any(s.backend == pick and s.values for s in series):
        return {}
    question = Question(metric, "backend", pick, pattern=f"^{re.escape(case)}/")
    (found,) = compare([replace(seen, series=series)], question).cases
    return {cell.series.backend: cell for cell in found.cells}


def too_large(source: Source, case: str, most_bytes: float) -> dict[str, str]:
    """Backends whose peak memory is above a limit, with words."""
    show = METRICS["peak"].show
    peaks = {s.backend: s.median_of("peak_memory_bytes") for s in _of_case(source, case)}
    return {
        name: f"needs {show(peak)}, more than {show(most_bytes)}"
        for name, peak in peaks.items()
        if peak is not None and peak > most_bytes
    }


def finalists(source: Source, pick: Pick, most: int) -> list[str]:
    """The pick, and the best of every other model."""
    measured = [
        s
        for s in _of_case(source.seen_by(pick.metric), pick.case)
        if s.values and not s.words and model_of(s.row) not in NO_CHOICE
    ]
    measured.sort(key=lambda s: median(s.values.values()))
    of_model: dict[str, str] = {}
    for series in measured:
        if series.backend == pick.first or series.backend not in pick.excluded:
            of_model.setdefault(model_of(series.row), series.backend)
    others: Sequence[str] = [name for name in of_model.values() if name != pick.first]
    return [pick.first, *others][:most]
