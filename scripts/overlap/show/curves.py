"""What curves say, as a table a family, and their picture."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from overlap.base.units import NOT_MEASURED, digits, plain, seconds
from overlap.judge.curves import (
    CORES,
    PAYS,
    Curve,
    Estimate,
    Family,
    Grain,
    best_of_models,
    break_evens,
    efficiencies,
    grains,
    has_grain,
    scalings,
    task_seconds,
)
from overlap.judge.metrics import Metric
from overlap.records.models import place_of
from overlap.show.drawing import Theme, colours, plain_axes, save
from overlap.show.grid import Column, Grid, Line

MOST_COLUMNS = 6  # Of points in a table.
MARKERS = "osD^vPX*"


def table_of(family: Family, metric: Metric) -> Grid:
    """The answer that the family is for."""
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


# ---- picture -------------------------------------------------------------------------------------


def draw(family: Family, metric: Metric, chosen: bool, target: Path) -> list[Path]:
    """Of each model the best backend, or all that were `chosen` by a filter; paths as save() does."""
    return save(lambda theme: figure_of(family, metric, chosen, theme), target)


def figure_of(family: Family, metric: Metric, chosen: bool, theme: Theme) -> Figure:
    heights, label = _heights(family, metric)
    rising = has_grain(family) or family.key == CORES

    def height(curve: Curve) -> Mapping[float, float]:
        middles = {x: v[1] for x, v in heights[curve.backend].items()}
        return {x: 1 / v for x, v in middles.items() if v > 0} if rising else middles

    curves = family.curves if chosen else best_of_models(family, height)
    figure = Figure(figsize=(8.6, 4.6), dpi=144, facecolor=theme.back)
    figure.subplots_adjust(left=0.09, right=0.72, top=0.95, bottom=0.12)
    axes = figure.add_subplot(facecolor=theme.back)
    places = _places(family)
    for i, (curve, shade) in enumerate(zip(curves, colours(len(curves), theme), strict=True)):
        _line(axes, curve, {places[x]: v for x, v in heights[curve.backend].items()}, shade, i)
    _axes(axes, family, label, rising, theme)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=8)
    return figure


def _line(axes: Any, curve: Curve, points: dict[float, Any], shade: Any, index: int) -> None:
    if not points:
        return
    x = sorted(points)
    low, middle, high = (np.array([points[place][i] for place in x]) for i in range(3))
    marker = MARKERS[index % len(MARKERS)]
    label = f"{curve.backend} ({curve.model})"
    axes.plot(x, middle, color=shade, marker=marker, markersize=4.5, linewidth=1.4, label=label)
    axes.fill_between(x, low, high, color=shade, alpha=0.18, linewidth=0)


def _heights(
    family: Family, metric: Metric
) -> tuple[dict[str, dict[float, tuple[float, float, float]]], str]:
    """By backend and what is swept: the median over blocks between its quartiles."""
    if has_grain(family):
        raw, label = efficiencies(family), "efficiency: work alone / (cores x wall)"
    elif family.key == CORES:
        raw = {
            each.backend: {x: {0: e.centre} for x, e in each.speedups.items()}
            for each in scalings(family)
        }
        label = "speed-up over the fewest cores"
    else:
        raw = {curve.backend: curve.of(metric) for curve in family.curves}
        label = metric.title
    for curve in family.curves:
        raw.setdefault(curve.backend, {})
    quartiles = {
        backend: {
            x: tuple(float(v) for v in np.percentile(list(values.values()), (25, 50, 75)))
            for x, values in points.items()
            if values
        }
        for backend, points in raw.items()
    }
    return quartiles, label


def _places(family: Family) -> dict[float, float]:
    """Where each value stands on the horizontal axis."""
    if has_grain(family):
        return {x: float(np.median(list(v.values()))) for x, v in task_seconds(family).items()}
    return {x: x for curve in family.curves for x in curve.points}


def _axes(axes: Any, family: Family, label: str, rising: bool, theme: Theme) -> None:
    axes.set_xscale("log")
    in_seconds = has_grain(family) or family.key.endswith("_s")
    show = seconds if in_seconds else plain
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: show(value)))
    axes.set_xlabel("work of a task, alone" if has_grain(family) else family.key)
    axes.set_ylabel(label)
    axes.set_title(family.name, fontsize=9, loc="left")
    if has_grain(family):
        axes.set_ylim(0, 1.05)
        axes.axhline(0.5, color=theme.text, linewidth=0.8, linestyle=(0, (4, 4)), zorder=1)
    elif not rising:
        axes.set_yscale("log")
    plain_axes(axes, theme)
