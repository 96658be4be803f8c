"""What a family of cases says of which one number is swept: from which grain cores pay, how a backend
scales over cores, and where two backends break even.

Sources: E. Slaughter et al., Task Bench: a parameterized benchmark for evaluating parallel runtime
performance, SC 2020 (the minimum effective task granularity, METG); N. J. Gunther, Guerrilla capacity
planning, 2007 (the universal scalability law).
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np
from scipy.optimize import curve_fit

from overlap.base.exits import RecordError
from overlap.judge.metrics import METRICS, Metric, log_ratio
from overlap.judge.series import Series, Source
from overlap.judge.statistics import paired
from overlap.records.models import model_of

HALF = 0.5
# A backend pays when it is so much faster than one task after another.
PAYS = 1.1
ALONE = "sequential"  # The backend whose time at the largest grain says how long the work takes.
LEAST_FOR_FIT = 4
CORES, WORK = "cores", "work"

ByBlock = dict[int, float]


@dataclass(frozen=True)
class Curve:
    """A backend's rows in a family, by what is swept, ascending."""

    backend: str
    model: str
    points: dict[float, Series]

    def of(self, metric: Metric) -> dict[float, ByBlock]:
        found = {x: row.seen_by(metric).values for x, row in self.points.items()}
        return {x: values for x, values in found.items() if values}

    def middles(self, metric: Metric) -> dict[float, float]:
        return {x: median(values.values()) for x, values in self.of(metric).items()}


@dataclass(frozen=True)
class Family:
    """Cases that differ in the number `key` alone. `cores` is how many of them a backend had."""

    name: str
    key: str
    cores: int
    curves: list[Curve] = field(default_factory=list)

    def curve(self, backend: str) -> Curve | None:
        return next((each for each in self.curves if each.backend == backend), None)


@dataclass(frozen=True)
class Estimate:
    """With a 95% interval over blocks, which is infinite where they are too few. `beyond` says that
    it lies outside of what was swept: "<" below `centre`, ">" above it."""

    centre: float
    low: float = math.nan
    high: float = math.nan
    blocks: int = 0
    beyond: str = ""


def split_name(case: str) -> tuple[str, dict[str, float]]:
    """`gather/grain@work=1000@cores=2` is of the family `gather/grain`."""
    name, *parts = case.split("@")
    values = {}
    for part in parts:
        key, _, value = part.partition("=")
        values[key] = float(value)
    return name, values


def is_swept(case: str) -> bool:
    return "@" in case


def families(source: Source) -> list[Family]:
    """In the order of the file. A case that is swept itself makes a family for each number of cores
    that it was run on."""
    rows: dict[tuple[str, str], dict[str, dict[float, Series]]] = {}
    for row in source.series:
        if not is_swept(row.case) or row.placebo_of:
            continue
        name, values = split_name(row.case)
        key = next(iter(values))
        held = "".join(f"@{k}={v:g}" for k, v in values.items() if k != key)
        family = rows.setdefault((name + held, key), {})
        family.setdefault(row.backend, {})[values[key]] = row
    found = []
    for (name, key), curves in rows.items():
        family = Family(name, key, _cores_of(source, name))
        for backend, points in curves.items():
            model = model_of(next(iter(points.values())).row)
            family.curves.append(Curve(backend, model, dict(sorted(points.items()))))
        found.append(family)
    return found


def _cores_of(source: Source, name: str) -> int:
    base, held = split_name(name)
    case = source.cases.get(base)
    own = case.get(CORES) if isinstance(case, Mapping) else None
    machine = source.records.head["machine"]["cores"] if source.records else 1
    return int(held.get(CORES) or (own if isinstance(own, int) else machine))


# ---- grain ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Grain:
    """The smallest task with which a backend reaches an efficiency of 50%, and the one from which it
    pays, in seconds; None: not in this range. `efficiency` is that at the largest task."""

    backend: str
    model: str
    half: Estimate | None
    pays: Estimate | None
    efficiency: float
    tasks: int


def has_grain(family: Family) -> bool:
    return family.key == WORK and family.name.startswith("gather/")


def task_seconds(family: Family) -> dict[float, ByBlock]:
    """How long the work of a task takes alone, by block. Raises RecordError if nothing says so."""
    alone = family.curve(ALONE)
    of_alone = alone.of(METRICS["wall"]) if alone else {}
    if alone is None or not of_alone:
        raise RecordError(
            f"{family.name}: there is nothing to know the work of a task from; expected rows of {ALONE}"
        )
    largest = max(of_alone)
    tasks = alone.points[largest].row.tasks
    step = {block: wall / tasks / largest for block, wall in of_alone[largest].items()}
    every = {x for curve in family.curves for x in curve.points}
    return {x: {block: x * each for block, each in step.items()} for x in sorted(every)}


def efficiencies(family: Family) -> dict[str, dict[float, ByBlock]]:
    """By backend, work and block: the time of the work alone / (cores x wall time)."""
    work = task_seconds(family)
    found = {}
    for curve in family.curves:
        tasks = {x: row.row.tasks for x, row in curve.points.items()}
        found[curve.backend] = {
            x: {
                block: work[x][block] * tasks[x] / (family.cores * wall)
                for block, wall in walls.items()
                if block in work[x] and wall > 0
            }
            for x, walls in curve.of(METRICS["wall"]).items()
        }
    return found


def grains(family: Family) -> list[Grain]:
    work = task_seconds(family)
    found = []
    by_backend = efficiencies(family)
    for curve in family.curves:
        points = {x: values for x, values in by_backend[curve.backend].items() if values}
        if not points:
            continue
        reached = median(points[max(points)].values())
        # What keeps one core busy stays within this of 1 / cores, whatever the noise.
        uses_several = reached > PAYS / family.cores
        half, pays = (
            _crossing(points, work, level) if uses_several and reached > level else None
            for level in (HALF, PAYS / family.cores)
        )
        tasks = curve.points[max(points)].row.tasks
        found.append(Grain(curve.backend, curve.model, half, pays, reached, tasks))
    return found


def _crossing(points: dict[float, ByBlock], work: dict[float, ByBlock], level: float) -> Estimate:
    """From which size of task on the efficiency stays above a level: between the two points around it
    a line over the logarithm of the size."""
    logs, below = [], 0
    for block in sorted({block for values in points.values() for block in values}):
        line = [
            (math.log(work[x][block]), v[block] - level)
            for x, v in points.items()
            if block in v and block in work[x]
        ]
        under = [i for i, (_, over) in enumerate(line) if over < 0]
        if not under:
            below += 1
            logs.append(line[0][0])
        elif under[-1] + 1 < len(line):
            logs.append(_zero(line[under[-1]], line[under[-1] + 1]))
    return estimate(logs, beyond="<" if 2 * below > len(logs) else "")


def _zero(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Where a line through two points is 0."""
    (x0, y0), (x1, y1) = first, second
    return x0 - y0 * (x1 - x0) / (y1 - y0)


def estimate(logs: Sequence[float], beyond: str = "") -> Estimate:
    """Of what these are the logarithms of, one a block."""
    if not logs:
        return Estimate(math.nan)
    found = paired(np.array([logs]))
    centre, low, high = (float(np.exp(v[0])) for v in (found.centre, found.low, found.high))
    return Estimate(centre, low, high, len(logs), beyond)


# ---- cores ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scaling:
    """Speed-up over the fewest cores, by how many there were. `fit` are sigma and kappa of the
    universal scalability law, from four points on."""

    backend: str
    model: str
    speedups: dict[float, Estimate]
    fit: tuple[float, float] | None


def scalings(family: Family) -> list[Scaling]:
    found = []
    for curve in family.curves:
        walls = curve.of(METRICS["wall"])
        if not walls:
            continue
        least = min(walls)
        speedups = {
            x: estimate(
                [
                    log_ratio(least * walls[least][block], wall)
                    for block, wall in values.items()
                    if block in walls[least]
                ]
            )
            for x, values in walls.items()
        }
        found.append(Scaling(curve.backend, curve.model, speedups, _law(speedups)))
    return found


def _law(speedups: dict[float, Estimate]) -> tuple[float, float] | None:
    if len(speedups) < LEAST_FOR_FIT:
        return None

    def speedup(n: np.ndarray, sigma: float, kappa: float) -> np.ndarray:
        return n / (1 + sigma * (n - 1) + kappa * n * (n - 1))

    x, y = np.array(list(speedups)), np.array([each.centre for each in speedups.values()])
    (sigma, kappa), _ = curve_fit(speedup, x, y, p0=(0.05, 0.001), bounds=(0, [1, 1]))
    return float(sigma), float(kappa)


# ---- break-even ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class BreakEven:
    """Where two curves cross, and which of them is lower from there on."""

    at: Estimate
    lower_above: str


def break_evens(first: Curve, second: Curve, metric: Metric) -> list[BreakEven]:
    """Empty: they do not cross in this range."""
    ones, others = first.of(metric), second.of(metric)
    ratios = {
        x: {
            block: log_ratio(value, others[x][block])
            for block, value in values.items()
            if value > 0 and others[x].get(block, 0) > 0
        }
        for x, values in ones.items()
        if x in others
    }
    ratios = {x: values for x, values in ratios.items() if values}
    found = []
    steps = sorted(ratios)
    for x, following in zip(steps, steps[1:], strict=False):
        before, after = (median(ratios[place].values()) for place in (x, following))
        if (before < 0) == (after < 0):
            continue
        logs = [
            min(
                max(
                    _zero((math.log(x), ratios[x][b]), (math.log(following), ratios[following][b])),
                    math.log(x),
                ),
                math.log(following),
            )
            for b in ratios[x].keys() & ratios[following].keys()
            if ratios[x][b] != ratios[following][b]
        ]
        lower = first.backend if after < 0 else second.backend
        found.append(BreakEven(estimate(logs), lower))
    return found


# ---- of each model one -----------------------------------------------------------------------------


def best_of_models(family: Family, height: Callable[[Curve], Mapping[float, float]]) -> list[Curve]:
    """Of each model the curve that is lowest on average over the logarithms of what it shares with
    those of its model."""
    chosen = []
    for model in dict.fromkeys(curve.model for curve in family.curves):
        alike = [curve for curve in family.curves if curve.model == model and height(curve)]
        if alike:
            chosen.append(min(alike, key=lambda curve: _mean_log(curve, alike, height)))
    return chosen


def _mean_log(
    curve: Curve, alike: Iterable[Curve], height: Callable[[Curve], Mapping[float, float]]
) -> tuple[int, float]:
    """Who lacks points comes last."""
    shared = set.union(*(set(height(each)) for each in alike))
    own = height(curve)
    known = [math.log(own[x]) for x in shared if own.get(x, 0) > 0]
    return len(shared) - len(known), sum(known) / max(len(known), 1)
