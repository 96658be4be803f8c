"""Comparisons for people: a head that says what can be seen, and a table a case; for terminals or
in Markdown. Verdicts are words and glyphs; colour only repeats them."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from rich.console import Console
from rich.text import Text

from overlap.base.units import NOT_MEASURED, plain, share
from overlap.judge.comparison import RUN_PLACES, Case, Cell, Comparison, How, Question
from overlap.judge.first_runs import FIRST, first_run, which_runs
from overlap.judge.metrics import ratio_of
from overlap.judge.statistics import least_blocks
from overlap.judge.verdicts import MARGIN, Verdict
from overlap.records.files import name_of
from overlap.records.models import OTHER, place_of
from overlap.show import grid
from overlap.show.grid import Column, Grid, Line
from overlap.show.heads import head_line

DEPENDS = "†"
APPROXIMATE = " (by the normal approximation where there are too many for exact ranks)"
# What follows the first words of why a cell has no number.
SHORT_WORDS = re.compile(r"(:| of [a-z]+:| in \d+ of \d+ samples).*$")
# By words: of a rate more is faster, and of some figures nobody knows which is better.
STYLES = {
    "faster": "green",
    "less": "green",
    "slower": "red",
    "more": "red",
    "machine unstable": "yellow",
}


def ratio(logarithm: float) -> str:
    """A ratio with a third decimal where it is near 1, where differences are small."""
    if math.isnan(logarithm):
        return NOT_MEASURED
    value = ratio_of(logarithm)
    if value is None:
        return "∞" if logarithm > 0 else "0"
    return f"{value:.3f}" if 0.8 < value < 1.25 else plain(value)


def interval(cell: Cell) -> str:
    if not (math.isfinite(cell.low) and math.isfinite(cell.high)):
        return NOT_MEASURED
    return f"[{ratio(cell.low)}, {ratio(cell.high)}]"


def percent(logarithm: float | None) -> str:
    """By how much a ratio is above 1, with two digits."""
    if logarithm is None:
        return "unknown"
    value = 100 * math.expm1(logarithm)
    return f"{value:.2g}%" if value < 9.95 else f"{value:,.0f}%"


def verdict(cell: Cell, comparison: Comparison) -> str:
    if cell.verdict is None:
        return ""
    text = f"{cell.verdict.value} {comparison.question.metric.word(cell.verdict)}"
    if cell.verdict is Verdict.UNKNOWN:
        more = f"{cell.more_blocks:,}" if cell.more_blocks else "over 1,000"
        what = "repetition" if cell.how is How.UNPAIRED else "block"
        text += f" (+{more} {what}{'' if cell.more_blocks == 1 else 's'})"
    return text + (f" {DEPENDS}" if cell.depends_on_dirty else "")


# The head.


def head(comparison: Comparison) -> list[str]:
    lines = [*(_source_line(comparison, i) for i in range(len(comparison.sources)))]
    question = comparison.question
    judged = comparison.judged
    against = {cell.baseline.places[question.place] for cell in judged if cell.baseline}
    named = ", ".join(sorted(against)) or "nothing"
    how = "; ".join(dict.fromkeys(cell.how.value for cell in judged))
    estimate = _estimate_words(comparison)
    lines.append(
        f"{question.metric.title} ÷ that of {named} ({how or 'nothing to compare'}); {estimate}"
    )
    lines.append(_noise_line(comparison))
    lines.append(_contamination_line(comparison))
    return [line for line in lines if line] + _notes(comparison)


def _estimate_words(comparison: Comparison) -> str:
    hows = {cell.how for cell in comparison.judged}
    if comparison.question.metric.ranked:
        name = "pseudo-median"
    elif How.PAIRED in hows:
        name = "median, BCa bootstrap"
    else:
        name = "median difference"
    inexact = "" if all(cell.exact for cell in comparison.judged) else APPROXIMATE
    return f"{name} and 95% interval{inexact}; Holm over the comparisons of a case"


def _source_line(comparison: Comparison, index: int) -> str:
    source = comparison.sources[index]
    name = f"{name_of(source.path)}: " if len(comparison.sources) > 1 else ""
    if source.records is None:
        return f"{name}{source.path.name}: Google Benchmark's JSON, without blocks: unpaired"
    return name + head_line(source.records)


def _span(values: Sequence[float]) -> str:
    low, high = percent(min(values)), percent(max(values))
    return low if low == high else f"{low} to {high}"


def _noise_line(comparison: Comparison) -> str:
    cases = [case for case in comparison.cases if case.judged]
    if not cases:
        return ""
    without = [case for case in cases if not case.placebos]
    floors = [case.noise.floor for case in cases if case.noise.floor is not None]
    visible = [case.noise.visible for case in cases if case.noise.visible is not None]
    if len(without) == len(cases):
        return f"no placebo: noise floor unknown; differences matter from {percent(MARGIN)} on"
    parts = [f"noise floor {_span(floors)}" if floors else "noise floor unknown: too few blocks"]
    parts.append(
        f"smallest visible difference {_span(visible)}"
        if visible
        else "smallest visible difference unknown: too few blocks"
    )
    parts.append(f"differences matter from {percent(MARGIN)} or the noise floor on")
    if without:
        parts.append(f"no placebo in {', '.join(case.name for case in without)}")
    return "; ".join(parts)


def _contamination_line(comparison: Comparison) -> str:
    samples = sum(source.samples for source in comparison.sources if source.paired)
    if not samples:
        return ""
    dirty = sum(source.contaminated for source in comparison.sources)
    depends = sum(cell.depends_on_dirty for cell in comparison.judged)
    share_words = f"{share(dirty / samples)} of {samples} samples contaminated"
    if not depends:
        return f"{share_words}; no verdict depends on them"
    verb = "verdict depends" if depends == 1 else "verdicts depend"
    return f"{share_words}; {depends} {verb} on them ({DEPENDS})"


def _notes(comparison: Comparison) -> list[str]:
    notes = [note for source in comparison.sources for note in source.notes]
    if comparison.question.metric.name in FIRST:
        notes += which_runs([cell.series for case in comparison.cases for cell in case.cells])
    few = {
        (max(cell.n for cell in case.judged), least_blocks(len(case.judged)))
        for case in comparison.cases
        if case.judged and all(cell.how is How.PAIRED for cell in case.judged)
    }
    short = [(n, least) for n, least in few if n < least]
    if short:
        n, least = max(short, key=lambda pair: pair[1])
        notes.append(f"{n} blocks decide nothing: at least {least} are needed here")
    return notes


# Tables.


def case_title(case: Case, comparison: Comparison) -> str:
    parts = [case.name]
    if comparison.question.place == "backend" and case.judged:
        parts[0] += f" against {case.judged[0].baseline.backend}"
    noise = case.noise
    if noise.floor is not None:
        parts.append(f"noise floor {percent(noise.floor)}")
    if noise.visible is not None:
        parts.append(f"visible from {percent(noise.visible)}")
    if noise.floor is not None and noise.margin() > MARGIN:
        parts.append(f"matters from {percent(noise.margin())}")
    if noise.unstable:
        parts.append("machine unstable: its placebo differs from what it repeats")
    return " · ".join(parts)


def grids(comparison: Comparison, row: str = "", column: str = "") -> Iterator[Grid]:
    if column or row:
        yield from _pivots(comparison, row, column)
        return
    for case in comparison.cases:
        yield _list_of(case, comparison)


def _list_of(case: Case, comparison: Comparison) -> Grid:
    """A line a comparison. Between runs each line has both values; elsewhere the baseline has a line
    of its own."""
    question = comparison.question
    place, several = question.place, len(comparison.sources) > 1
    by_run = place in RUN_PLACES
    tiered = any(cell.tier is not None for cell in case.cells)
    by_model = any(cell.series.model for cell in case.cells)
    columns = [Column("backend", left=True)]
    columns += [Column("model", left=True, optional=4)] * by_model
    columns += [Column("file", left=True)] * (several and not by_run)
    columns += [Column(place, left=True)] * (len(comparison.sources) > 2 and by_run)
    columns += [Column("baseline", left=not by_run, optional=2 * by_run)] * (place != "backend")
    first_runs = [first_run(cell.series, question.metric) for cell in case.cells]
    with_first = any(value is not None for value in first_runs)
    columns += [Column(question.metric.name, optional=2)]
    columns += [Column("first run", optional=2)] * with_first + [Column("ratio")]
    columns += [Column("95% interval", optional=3), Column("verdict", left=True)]
    columns += [Column("tier", optional=1)] * tiered
    rows = []
    lines = _lines(case, comparison)
    if by_model:
        lines = sorted(lines, key=lambda cell: place_of(cell.series.model or OTHER))
    for cell in lines:
        cells = [cell.series.backend]
        cells += [cell.series.model] * by_model
        cells += [cell.series.places[place if by_run else "file"]] * (
            len(comparison.sources) > (2 if by_run else 1)
        )
        base = cell.baseline
        if by_run:
            cells.append(question.metric.show(base.middle()) if base else "")
        elif place != "backend":
            cells.append(base.backend if base else "")
        cells.append(question.metric.show(cell.series.middle()))
        cells += [_first_run(cell, question)] * with_first
        if cell.verdict is None:
            cells += ["", "", cell.words or "baseline"]
        else:
            cells += [ratio(cell.centre), interval(cell), verdict(cell, comparison)]
        cells += ["" if cell.tier is None else str(cell.tier)] * tiered
        word = question.metric.word(cell.verdict) if cell.verdict else ""
        rows.append(Line(cells, style=STYLES.get(word, "") if word else "dim"))
    return Grid(case_title(case, comparison), columns, rows)


def _first_run(cell: Cell, question: Question) -> str:
    first = first_run(cell.series, question.metric)
    return NOT_MEASURED if first is None else question.metric.show(first)


def _lines(case: Case, comparison: Comparison) -> list[Cell]:
    """Without the lines of the baseline's own run, but for backends that only it has."""
    question = comparison.question
    if question.place not in RUN_PLACES:
        return case.cells
    others = [c for c in case.cells if c.series.places[question.place] != question.baseline]
    known = {cell.series.backend for cell in others}
    return others + [
        replace(cell, words=cell.words or "only in the baseline")
        for cell in case.cells
        if cell.series.backend not in known
    ]


def _pivots(comparison: Comparison, row: str, column: str) -> Iterator[Grid]:
    """One table for each combination of the places that are neither rows nor columns."""
    column = column or comparison.question.place
    row = row or ("backend" if column == "case" else "case")
    bound = {
        "backend": ("backend", "runtime", "loop"),
        "case": ("case", "workload"),
    }
    shown = {p for name in (row, column) for p in bound.get(name, (name,))}
    every = [cell for case in comparison.cases for cell in case.cells]
    # A backend without a loop has no place in a table of loops.
    cells = [c for c in every if c.series.places[column] and c.series.places[row]]
    keys = [] if "case" in shown else ["case"]
    parts = ("runtime", "loop") if {row, column} & {"runtime", "loop"} else ("backend",)
    for place in (*parts, *RUN_PLACES):
        if place not in shown and _collide(cells, [row, column, *keys], place):
            keys.append(place)
    groups: dict[tuple[str, ...], list[Cell]] = {}
    for cell in cells:
        groups.setdefault(tuple(cell.series.places[k] for k in keys), []).append(cell)
    for key, members in groups.items():
        yield _pivot(", ".join(filter(None, key)), members, row, column, comparison)


def _collide(cells: Sequence[Cell], keys: Sequence[str], place: str) -> bool:
    """Whether cells that agree in all of `keys` differ in `place`."""
    places = [cell.series.places for cell in cells]
    plain = {tuple(p[key] for key in keys) for p in places}
    return len({(*(p[key] for key in keys), p[place]) for p in places}) > len(plain)


def _pivot(title: str, cells: list[Cell], row: str, column: str, comparison: Comparison) -> Grid:
    across = dict.fromkeys(cell.series.places[column] for cell in cells)
    down: dict[str, dict[str, list[str]]] = {}
    for cell in cells:
        line = down.setdefault(cell.series.places[row], {})
        line.setdefault(cell.series.places[column], []).append(_short(cell, comparison))
    workloads = {cell.series.places["workload"] for cell in cells}
    if column == "case" and len(workloads) == 1:  # Its name is the first half of each header.
        headers = [name.partition("/")[2] or name for name in across]
    else:
        headers = list(across)
    columns = [Column(row, left=True), *(Column(name, left=True) for name in headers)]
    rows = [
        Line([name, *("; ".join(line.get(c, [NOT_MEASURED])) for c in across)])
        for name, line in down.items()
    ]
    return Grid(title, columns, rows)


def _short(cell: Cell, comparison: Comparison) -> str:
    """The glyph and the ratio; of a baseline its value, and of what has none the first words why. Intervals
    are in the table that has a line a comparison."""
    if cell.verdict is None:
        value = f"{comparison.question.metric.show(cell.series.middle())}"
        if cell.words.endswith(": not measured"):
            return NOT_MEASURED
        return SHORT_WORDS.sub("", cell.words) or value
    mark = f" {DEPENDS}" if cell.depends_on_dirty else ""
    return f"{cell.verdict.value} {ratio(cell.centre)}{mark}"


def closing(comparison: Comparison) -> list[str]:
    """How to read what was printed."""
    words = comparison.question.metric.word
    hows = dict.fromkeys(cell.how for cell in comparison.judged)
    more = " or ".join(
        dict.fromkeys("repetitions" if h is How.UNPAIRED else "blocks" for h in hows)
    )
    lines = [
        f"▼ {words(Verdict.LESS)}, ▲ {words(Verdict.MORE)}: there is a difference and it matters. "
        "≈ there is one, but less than matters. = the same, as far as matters. "
        f"? unknown, with about how many more {more or 'blocks'} would decide."
    ]
    if any(cell.tier is not None for cell in comparison.judged):
        lines.append("Backends of one tier are not shown to be slower than the best of it.")
    return lines


# Printing.


def tables(comparison: Comparison, row: str = "", column: str = "") -> str:
    """In Markdown, without what was measured where and how to read it."""
    parts = [grid.markdown(each) for each in grids(comparison, row, column)]
    return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


def markdown(comparison: Comparison, row: str = "", column: str = "") -> str:
    lines = [line + "  " for line in head(comparison)]
    for each in grids(comparison, row, column):
        lines += ["", f"**{each.title}**", ""] if each.title else [""]
        lines += grid.markdown(each)
    lines += ["", *closing(comparison)]
    return "\n".join(lines) + "\n"


def print_terminal(
    comparison: Comparison, console: Console, row: str = "", column: str = ""
) -> None:
    how_to_read = (Text(line, style="dim") for line in closing(comparison))
    tables = grids(comparison, row, column)
    grid.print_page(console, map(Text, head(comparison)), tables, how_to_read)
