"""Pictures of a page, as numbers between 0 and 1,000 that its templates draw: how samples are spread,
where backends lie between concurrency and parallelism, and curves over a parameter.

Shapes and words tell things apart, colours only repeat them.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from overlap.base.units import digits, plain
from overlap.judge.curves import Family, best_of_models, families
from overlap.judge.metrics import Metric, log_ratio
from overlap.judge.series import Series, Source
from overlap.judge.statistics import paired
from overlap.page.content import CaseTable, Row
from overlap.records.models import FLOOR, model_of, place_of

WIDE = 1000  # Of a picture, in its own units.
LEAST_POWER, MOST_POWER = (
    -307,
    307,
)  # Of ten, with room for a factor of 5: what floating point holds.


@dataclass(frozen=True)
class Tick:
    at: int
    text: str


@dataclass
class Axis:
    """Logarithmic, over all of `values`, which are above 0."""

    values: Sequence[float]
    metric: Metric | None = None
    most: int = 5  # Ticks.
    low: float = field(init=False)
    high: float = field(init=False)

    def __post_init__(self) -> None:
        low, high = math.log(min(self.values)), math.log(max(self.values))
        gap = max(0.02, 0.04 * (high - low))  # The ends of it stay off the frame.
        self.low, self.high = low - gap, high + gap

    def at(self, value: float) -> int:
        return round(WIDE * (math.log(value) - self.low) / (self.high - self.low))

    def ticks(self) -> list[Tick]:
        """At 1, 2 and 5 times powers of ten, thinned until there are few of them."""
        first, last = (math.floor(end / math.log(10)) for end in (self.low, self.high))
        first, last = max(first, LEAST_POWER), min(last, MOST_POWER)
        found: list[float] = []
        for steps in ((1, 2, 5), (1,)):
            found = [s * 10.0**power for power in range(first, last + 1) for s in steps]
            found = [value for value in found if self.low <= math.log(value) <= self.high]
            if len(found) <= self.most:
                break
        found = found[:: math.ceil(len(found) / self.most)] if len(found) > 1 else self._ends()
        return [Tick(self.at(value), self._text(value)) for value in found]

    def _ends(self) -> list[float]:
        """Of a range between two such numbers: itself."""
        low, high = min(self.values), max(self.values)
        return [low, high] if high > 1.02 * low else [high]

    def _text(self, value: float) -> str:
        text = self.metric.show(value) if self.metric else _thousands(value)
        number, _, unit = text.partition(" ")
        return f"{number.rstrip('0').rstrip('.') if '.' in number else number} {unit}".strip()


def _thousands(value: float) -> str:
    """A short number: an axis has no room for zeros."""
    for factor, letter in ((1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{digits(value / factor)} {letter}"
    return digits(value)


# How samples are spread.


@dataclass(frozen=True)
class Dots:
    """One backend: a dot a block along `path`, the median with its interval from `low` to `high`."""

    row: Row
    path: str
    middle: int
    low: int | None
    high: int | None
    tier: str
    text: str


@dataclass(frozen=True)
class Spread:
    """A case by one metric. `floor` is where the least lies that this machine can do the work for."""

    case: str
    metric: Metric
    dots: list[Dots]
    ticks: list[Tick]
    floor: int | None
    missing: list[str]


def spread(table: CaseTable, metric: Metric) -> Spread | None:
    """Backends from the fastest on; None where there is nothing to draw."""
    seen = {row.place: row.series.seen_by(metric) for row in table.rows}
    shown = [
        row for row in table.rows if any(value > 0 for value in seen[row.place].values.values())
    ]
    if not shown:
        return None
    shown.sort(key=lambda row: seen[row.place].middle() or 0.0)
    values = {row.place: [v for v in seen[row.place].values.values() if v > 0] for row in shown}
    axis = Axis([value for of_row in values.values() for value in of_row], metric)
    floors = [seen[row.place].middle() for row in shown if row.model == FLOOR]
    dots = [_dots(row, values[row.place], axis, metric) for row in shown]
    floor = axis.at(min(f for f in floors if f)) if any(floors) else None
    missing = [f"{row.backend}: {seen[row.place].words}" for row in table.rows if row not in shown]
    return Spread(table.name, metric, dots, axis.ticks(), floor, missing)


def _dots(row: Row, values: Sequence[float], axis: Axis, metric: Metric) -> Dots:
    found = paired(np.array([[log_ratio(value, 1.0) for value in values]]))
    centre, low, high = (float(a[0]) for a in (found.centre, found.low, found.high))
    ends = [axis.at(math.exp(end)) if math.isfinite(end) else None for end in (low, high)]
    middle = math.exp(centre)
    tier = row.tiers.get(metric.name, "")
    text = metric.show(middle)
    if math.isfinite(low):
        text += f" [{metric.show(math.exp(low))}, {metric.show(math.exp(high))}]"
    places = sorted({axis.at(value) for value in values})
    return Dots(row, _path(places), axis.at(middle), *ends, tier, text)


def _path(places: Sequence[int]) -> str:
    """Lines of no length, which round ends make dots: nothing is shorter."""
    steps = [b - a for a, b in zip(places, places[1:])]
    return f"M{places[0]} 9h0" + "".join(f"m{step} 0h0" for step in steps)


# Between concurrency and parallelism.


@dataclass(frozen=True)
class Point:
    x: int
    y: int
    model: str
    text: str


@dataclass(frozen=True)
class Plane:
    """The backends of one workload. `cores` is at the top."""

    workload: str
    points: list[Point]
    ticks: list[Tick]
    levels: list[Tick]


def planes(source: Source, cores: int) -> Iterator[Plane]:
    """One a workload that has been traced."""
    traced: dict[str, list[tuple[Series, float, float]]] = {}
    for series in source.series:
        c, p = series.median_of("concurrency"), series.median_of("parallelism")
        if c and p is not None and not series.placebo_of:
            traced.setdefault(series.places["workload"], []).append((series, c, p))
    for workload, found in traced.items():
        top = max([float(cores), *(p for _, _, p in found)])
        axis = Axis([1.0, *(max(c, 0.1) for _, c, _ in found), 10.0])
        points = [
            Point(
                axis.at(max(c, 0.1)),
                round(WIDE * (1 - p / top)),
                model_of(series.row),
                f"{series.name}: C {plain(c)}, P {plain(p)}",
            )
            for series, c, p in found
        ]
        levels = [Tick(round(WIDE * (1 - level / top)), str(level)) for level in _levels(cores)]
        points.sort(key=lambda point: -place_of(point.model))
        yield Plane(workload, points, axis.ticks(), levels)


def _levels(cores: int) -> list[int]:
    return sorted({0, 1, cores} | ({cores // 2} if cores >= 4 else set()))


# Curves over a number that is swept.


@dataclass(frozen=True)
class Line:
    backend: str
    model: str
    points: list[tuple[int, int]]

    @property
    def path(self) -> str:
        return "M" + "L".join(f"{x} {y}" for x, y in self.points)


@dataclass(frozen=True)
class FamilyPicture:
    name: str
    key: str
    metric: Metric
    lines: list[Line]
    ticks: list[Tick]
    levels: list[Tick]


def family_pictures(source: Source, metrics: Sequence[Metric]) -> Iterator[FamilyPicture]:
    for family in families(source):
        for metric in metrics:
            if picture := _family_picture(family, metric):
                yield picture


def _family_picture(family: Family, metric: Metric) -> FamilyPicture | None:
    """Of each model the best backend; None where there is nothing to draw."""
    chosen = best_of_models(family, lambda curve: curve.middles(metric))
    middles = {
        curve.backend: {x: y for x, y in curve.middles(metric).items() if x > 0 and y > 0}
        for curve in chosen
    }
    chosen = [curve for curve in chosen if len(middles[curve.backend]) > 1]
    if not chosen:
        return None
    shown = [middles[curve.backend] for curve in chosen]
    along = Axis(sorted({x for points in shown for x in points}), most=4)
    up = Axis([y for points in shown for y in points.values()], metric)
    lines = [
        Line(
            curve.backend, curve.model, [(along.at(x), WIDE - up.at(y)) for x, y in points.items()]
        )
        for curve, points in zip(chosen, shown, strict=True)
    ]
    levels = [Tick(WIDE - tick.at, tick.text) for tick in up.ticks()]
    return FamilyPicture(family.name, family.key, metric, lines, along.ticks(), levels)
