"""The picture of a family: of each model the best backend, with the quartiles over blocks as a band."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from overlap.base.units import plain, seconds
from overlap.judge.curves import (
    CORES,
    Curve,
    Family,
    best_of_models,
    efficiencies,
    has_grain,
    scalings,
    task_seconds,
)
from overlap.judge.metrics import Metric
from overlap.show.drawing import Theme, colours, plain_axes, save

MARKERS = "osD^vPX*"


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
