"""Pictures in two appearances, light and dark, as SVG and PNG.

The same records give the same bytes with the same version of matplotlib, which the pictures name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib import colormaps, rc_context
from matplotlib.figure import Figure

FILES = 4  # That save() writes.


@dataclass(frozen=True)
class Theme:
    """Colours of one appearance; `cases` is a range of a colour map that stands out from `back`."""

    ending: str
    back: str
    text: str
    grid: str
    cases: tuple[float, float]


LIGHT = Theme("", "#ffffff", "#1f2328", "#d8dee4", (0.0, 0.95))
DARK = Theme("-dark", "#0d1117", "#e6edf3", "#30363d", (1.0, 0.25))


def save(figure_in: Callable[[Theme], Figure], target: Path) -> list[Path]:
    """Writes `target`.svg and .png, and the same with -dark before the ending; returns their paths."""
    paths = []
    for theme in (LIGHT, DARK):
        with rc_context(_settings(theme)):
            figure = figure_in(theme)
            for kind, metadata in (("svg", {"Date": None}), ("png", {})):
                path = target.with_name(f"{target.name}{theme.ending}.{kind}")
                figure.savefig(path, metadata=metadata)
                paths.append(path)
    return paths


def colours(count: int, theme: Theme) -> list[Any]:
    """So many that differ in brightness."""
    first, last = theme.cases
    step = (last - first) / max(1, count - 1)
    return [colormaps["viridis"](first + step * i) for i in range(count)]


def plain_axes(axes: Any, theme: Theme) -> None:
    """A grid behind what is drawn, and no frame around it."""
    axes.grid(color=theme.grid, linewidth=0.6, zorder=0)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _settings(theme: Theme) -> dict[str, object]:
    text = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    return {
        "svg.hashsalt": "overlap",  # Names within the file are drawn from it.
        "font.family": "DejaVu Sans",  # Comes with matplotlib, the same everywhere.
        "font.size": 9,
        **dict.fromkeys(text, theme.text),
    }
