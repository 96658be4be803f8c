"""Draws the plane of concurrency against parallelism: each backend in each case is a point."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from overlap.base.exits import UsageError
from overlap.judge.metrics import METRICS
from overlap.judge.series import from_records
from overlap.records.files import Records
from overlap.show.drawing import Theme, colours, plain_axes, save

# Shapes tell runtimes apart, brightness cases: both survive printing in grey. Where points fall on
# one another the smaller one lies on top, so that the sizes (in square points) are all different.
SHAPES = {
    "sequential": ("X", 75),
    "coroutine": ("o", 150),
    "fiber": ("s", 55),
    "thread_pool": ("^", 160),
    "thread_per_task": ("v", 110),
    "process_pool": ("D", 45),
    "process_per_task": ("P", 80),
}
OTHER_SHAPE = ("*", 120)  # Somebody else's runtime.
MOST_CASES = 6  # More than that no brightness can tell apart.


@dataclass(frozen=True)
class Point:
    case: str
    runtime: str
    concurrency: float
    parallelism: float


def points(records: Records) -> list[Point]:
    """Medians over blocks. What was not traced, such as a floor, has no concurrency and no point."""
    source = from_records(records)
    sides = [source.seen_by(METRICS[name]).series for name in ("C", "P")]
    found = []
    for c, p in zip(*sides, strict=True):
        concurrency, parallelism = c.middle(), p.middle()
        if concurrency and parallelism is not None and not c.placebo_of:
            found.append(Point(c.case, c.places["runtime"], concurrency, parallelism))
    return found


def draw(records: Records, target: Path) -> list[Path]:
    """Writes `target`.svg and .png, and the same with -dark before the ending; returns their paths.
    Raises UsageError if there is nothing to draw, or too much to tell apart."""
    found = points(records)
    cases = list(dict.fromkeys(point.case for point in found))
    if not 1 <= len(cases) <= MOST_CASES:
        raise UsageError(
            f"--plane: {len(cases)} cases with a concurrency, expected 1 to {MOST_CASES}; choose "
            "with --filter"
        )
    cores = records.head["machine"]["cores"]
    return save(lambda theme: _figure(found, cases, cores, theme), target)


def _figure(found: Sequence[Point], cases: list[str], cores: int, theme: Theme) -> Figure:
    figure = Figure(figsize=(8.6, 4.6), dpi=144, facecolor=theme.back)
    figure.subplots_adjust(left=0.07, right=0.77, top=0.98, bottom=0.11)
    axes = figure.add_subplot(facecolor=theme.back)
    shades = colours(len(cases), theme)
    for point in found:
        marker, size = SHAPES.get(point.runtime, OTHER_SHAPE)
        axes.scatter(
            point.concurrency,
            point.parallelism,
            s=size,
            marker=marker,
            color=shades[cases.index(point.case)],
            edgecolors=theme.text,
            linewidths=0.7,
            zorder=3 + 1 / size,
        )
    _axes(axes, cores, theme)
    _legends(axes, found, cases, shades, theme)
    return figure


def _axes(axes: Any, cores: int, theme: Theme) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.set_xlabel("concurrency C: tasks in flight, on average")
    axes.set_ylabel("parallelism P: cores kept busy")
    axes.set_ylim(-0.06 * cores, 1.08 * cores)
    axes.axhline(cores, color=theme.text, linewidth=0.8, linestyle=(0, (4, 4)), zorder=1)
    above = {"xytext": (-3, 3), "textcoords": "offset points", "ha": "right", "fontsize": 8}
    place = {"xy": (1, cores), "xycoords": ("axes fraction", "data")}
    axes.annotate(f"all {cores} cores", **place, **above)
    plain_axes(axes, theme)


def _legends(
    axes: Any, found: Sequence[Point], cases: list[str], shades: list[Any], theme: Theme
) -> None:
    def handle(label: str, shape: tuple[str, int], colour: Any) -> Any:
        look = {"marker": shape[0], "markersize": 7, "color": colour}
        edge = {"markeredgecolor": theme.text, "markeredgewidth": 0.7}
        return Line2D([], [], linestyle="", label=label, **look, **edge)

    present = {point.runtime for point in found}
    runtimes = [name for name in SHAPES if name in present] + sorted(present - set(SHAPES))
    shapes = [handle(name, SHAPES.get(name, OTHER_SHAPE), theme.back) for name in runtimes]
    circle = SHAPES["coroutine"]
    fills = [handle(case, circle, colour) for case, colour in zip(cases, shades, strict=True)]
    style = {"frameon": False, "loc": "upper left", "alignment": "left"}
    first = axes.legend(handles=fills, title="case", bbox_to_anchor=(1.01, 1.0), **style)
    axes.add_artist(first)
    axes.legend(handles=shapes, title="runtime", bbox_to_anchor=(1.01, 0.62), **style)
