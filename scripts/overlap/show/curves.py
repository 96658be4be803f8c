"""What curves say, as a table a family."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from rich.console import Console

from overlap.base.units import NOT_MEASURED, digits, plain, seconds
from overlap.judge.curves import (
    CORES,
    PAYS,
    Curve,
    Estimate,
    Family,
    Grain,
    break_evens,
    families,
    grains,
    has_grain,
    scalings,
    task_seconds,
)
from overlap.judge.knees import RATE, Bound, knees
from overlap.judge.metrics import METRICS, Metric
from overlap.judge.series import from_records
from overlap.records.files import Records
from overlap.records.models import place_of
from overlap.show.grid import Column, Grid, Line, markdown, print_page

MOST_COLUMNS = 6  # Of points in a table.


def tables_of(records: Records, metric: Metric = METRICS["wall"]) -> list[Grid]:
    """Of each family the answer that it is for."""
    bound = Bound.parse(records.head["knee"]) if records.head.get("knee") else None
    return [table_of(family, metric, bound) for family in families(from_records(records))]


def print_tables(tables: Sequence[Grid], style: str, console: Console) -> None:
    """In the style of a page, `markdown`, or for a terminal."""
    if style == "markdown":
        for table in tables:
            lines = [f"**{table.title}**", "", *markdown(table), "", *table.notes]
            print("\n".join(lines), end="\n\n")
    else:
        print_page(console, [], tables, [])


def table_of(family: Family, metric: Metric, bound: Bound | None = None) -> Grid:
    if family.key == RATE and bound:
        return _knee_table(family, bound)
    if has_grain(family):
        return _grain_table(family)
    if family.key == CORES:
        return _scaling_table(family)
    return _points_table(family, metric)


def _ordered(family: Family) -> Family:
    return replace(family, curves=sorted(family.curves, key=lambda curve: place_of(curve.model)))


def _table(title: str, headers: list[str], lines: list[Line], notes: list[str]) -> Grid:
    columns = [Column("backend", left=True), Column("model", left=True)]
    return Grid(title, columns + [Column(each) for each in headers], lines, notes)


def _with_interval(found: Estimate, show: Callable[[float], str]) -> str:
    text = f"{found.beyond} {show(found.centre)}".strip()
    if found.beyond or not (math.isfinite(found.low) and math.isfinite(found.high)):
        return text
    return f"{text} [{show(found.low)}, {show(found.high)}]"


def _words_of(curve: Curve) -> str:
    """Why a curve has no points."""
    return next((row.words for row in curve.points.values() if row.words), "not measured yet")


# ---- grain ---------------------------------------------------------------------------------------


def _grain_table(family: Family) -> Grid:
    family = _ordered(family)
    found = {each.backend: each for each in grains(family)}
    lines = []
    for curve in family.curves:
        grain = found.get(curve.backend)
        cells = [curve.backend, curve.model]
        if grain is None:
            lines.append(Line([curve.backend], words=_words_of(curve)))
            continue
        ends = [
            _with_interval(e, seconds) if e else "not reached" for e in (grain.half, grain.pays)
        ]
        lines.append(Line([*cells, *ends, digits(grain.efficiency), str(grain.tasks)]))
    largest = max(task_seconds(family).items())[1].values()
    title = f"{family.name}: from which size of task {family.cores} cores pay"
    headers = ["grain, 50% efficient", "pays from", "efficiency at most work", "tasks"]
    notes = [
        "grain: the smallest task with work alone / (cores x wall) of at least 50%, with its 95% "
        f"interval; tasks of up to {seconds(max(largest))} were tried.",
        f"pays from: the smallest task with which it takes 1/{PAYS:g} of the time of one after another.",
    ]
    notes += grain_sentence(list(found.values()))
    return _table(title, headers, lines, notes)


def grain_sentence(found: list[Grain]) -> list[str]:
    """From which task on the best backend of each model pays, in one sentence; none if none does."""
    best: dict[str, Grain] = {}
    for each in found:
        if each.pays is None or each.model in ("floor", "sequential"):
            continue
        other = best.get(each.model)
        if other is None or other.pays is None or each.pays.centre < other.pays.centre:
            best[each.model] = each
    parts = [
        f"{model} ({each.backend}) from "
        f"{'less than ' * bool(each.pays.beyond)}{seconds(each.pays.centre)}"
        for model, each in sorted(best.items(), key=lambda item: item[1].pays.centre)
        if each.pays
    ]
    return [f"A further core pays with {', '.join(parts)} of work per task on."] if parts else []


# ---- knees ---------------------------------------------------------------------------------------


def _knee_table(family: Family, bound: Bound) -> Grid:
    lines = []
    for knee in knees(_ordered(family), bound):
        rate = _with_interval(knee.rate, plain) if knee.rate else "none of the rates"
        cells = [knee.backend, knee.model, rate, seconds(knee.cpu_s), knee.why or NOT_MEASURED]
        lines.append(Line(cells))
    headers = ["messages/s", "CPU/message there", "why not more"]
    notes = [
        f"messages/s: the highest rate with {bound}, and its 95% interval; the next one that was tried "
        "is at most 5% above it."
    ]
    return _table(f"{family.name}: the rate that is too much", headers, lines, notes)


# ---- cores ---------------------------------------------------------------------------------------


def _scaling_table(family: Family) -> Grid:
    family = _ordered(family)
    found = {each.backend: each for each in scalings(family)}
    numbers = sorted({x for each in found.values() for x in each.speedups})
    lines = []
    for curve in family.curves:
        if curve.backend not in found:
            lines.append(Line([curve.backend], words=_words_of(curve)))
            continue
        scaling = found[curve.backend]
        cells = [
            _with_interval(scaling.speedups[x], digits) if x in scaling.speedups else NOT_MEASURED
            for x in numbers
        ]
        fit = [", ".join(map(digits, scaling.fit)) if scaling.fit else NOT_MEASURED]
        lines.append(Line([curve.backend, curve.model, *cells, *fit]))
    headers = [f"{x:g} cores" for x in numbers] + ["sigma, kappa"]
    notes = [
        "Speed-up over the fewest cores, with its 95% interval; sigma (contention) and kappa "
        "(coherency) of the universal scalability law, fitted from four points on."
    ]
    return _table(f"{family.name}: speed-up over cores", headers, lines, notes)


# ---- other numbers ---------------------------------------------------------------------------------


def _points_table(family: Family, metric: Metric) -> Grid:
    family = _ordered(family)
    every = sorted({x for curve in family.curves for x in curve.points})
    step = max(1, math.ceil(len(every) / MOST_COLUMNS))
    shown = every[::-step][::-1]
    lines = []
    for curve in family.curves:
        middles = curve.middles(metric)
        if not middles:
            lines.append(Line([curve.backend], words=_words_of(curve)))
            continue
        cells = [metric.show(middles.get(x)) for x in shown]
        lines.append(Line([curve.backend, curve.model, *cells]))
    headers = [f"{family.key} {plain(x)}" for x in shown]
    return _table(f"{family.name}: {metric.title} against {family.key}", headers, lines, [])


def break_even_lines(family: Family, names: tuple[str, str], metric: Metric) -> list[str]:
    curves = [family.curve(name) for name in names]
    if None in curves:
        return []
    first, second = (curve for curve in curves if curve)
    found = break_evens(first, second, metric)
    what = f"{family.name}, {metric.title}: {names[0]} and {names[1]}"
    if not found:
        return [f"{what} do not cross in this range."]
    return [
        f"{what} break even at {family.key} {_with_interval(each.at, plain)}; above it "
        f"{each.lower_above} needs less."
        for each in found
    ]
