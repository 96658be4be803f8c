"""The verdicts of one workload on every backend as the baseline, as scripts/compare gives them, packed
for a page to unpack.

A ratio and its interval turn round with the two backends they are of, so that each pair is kept once:
as logarithms in units of 10^-RATIO_PLACES, of which overlap.judge.metrics.ratio_of and the page make the
same digits. Verdicts do not turn round, since Holm's correction is over all comparisons with one
baseline: they are a letter each, a string for each baseline. Where a pair does not turn round (an
interval that was resampled), both of its ways are kept.
"""

import math
from collections.abc import Sequence
from typing import Any

from overlap.judge.comparison import Case, Cell, Question, compare
from overlap.judge.metrics import ENDLESS, RATIO_PLACES, Metric
from overlap.judge.series import Source
from overlap.judge.verdicts import Verdict

# The page's own names of verdicts; capitals depend on contaminated samples.
LETTERS = {
    Verdict.LESS: "l",
    Verdict.MORE: "m",
    Verdict.SAME: "s",
    Verdict.DIFFERS: "d",
    Verdict.UNKNOWN: "u",
    Verdict.WITHHELD: "w",
}
ITSELF, NO_BLOCK, NONE = "0", "n", "."
TIERS = "123456789abcdefghijklmnopqrstuvwxyz"
Packed = dict[str, Any]
Bounds = list[int | None]


def against_reference(source: Source, metric: Metric) -> list[Case]:
    """Each case against its reference, as a page shows it first."""
    return compare([source.seen_by(metric)], Question(metric)).cases


def pack(source: Source, metric: Metric, cases: Sequence[Case]) -> dict[str, Packed]:
    """By case what a page needs to show it against any backend. `cases` are against their references."""
    seen = source.seen_by(metric)
    packed = {case.name: _Pack(case) for case in cases}
    names = dict.fromkeys(c.series.backend for case in cases for c in case.cells)
    for name in names:
        for case in compare([seen], Question(metric, "backend", name)).cases:
            packed[case.name].add(name, case)
    return {name: pack.result() for name, pack in packed.items()}


def _units(logarithm: float) -> int | None:
    if not math.isfinite(logarithm) or abs(logarithm) >= ENDLESS / 2:
        return None
    return round(logarithm * 10**RATIO_PLACES)


def _turned(bounds: Bounds) -> Bounds:
    centre, low, high = (None if bound is None else -bound for bound in bounds)
    return [centre, high, low]


class _Pack:
    def __init__(self, case: Case) -> None:
        self._case = case
        self._places = {cell.series.backend: i for i, cell in enumerate(case.cells)}
        self._rows: dict[int, list[Any]] = {}
        self._bounds: dict[tuple[int, int], Bounds] = {}
        self._blocks: dict[tuple[int, int], int] = {}

    def add(self, baseline: str, case: Case) -> None:
        """The case against another baseline; nothing of one that was not measured in it."""
        place = self._places.get(baseline)
        if place is None or not case.cells[place].series.values:
            return
        letters = "".join(_letter(cell, cell.series.backend == baseline) for cell in case.cells)
        more = [cell.more_blocks for cell in case.cells if cell.verdict is Verdict.UNKNOWN]
        tiers = [NONE if cell.tier is None else TIERS[cell.tier - 1] for cell in case.cells]
        self._rows[place] = [letters, more, "".join(tiers)]
        for i, cell in enumerate(case.cells):
            if cell.verdict is not None:
                bounds = [_units(value) for value in (cell.centre, cell.low, cell.high)]
                self._bounds[place, i] = bounds
                self._blocks[place, i] = cell.n

    def result(self) -> Packed:
        values = [cell.series.middle() for cell in self._case.cells]
        words = {i: c.series.words for i, c in enumerate(self._case.cells) if c.series.words}
        packed: Packed = {"values": values, "words": words, "against": self._rows}
        packed["reference"] = self._places.get(self._case.reference)
        packed["pairs"], packed["turned"] = self._pairs()
        return packed

    def _pairs(self) -> tuple[list[Any], list[Any]]:
        """Of pairs in the order of their places, without the gaps: blocks, centre, and how far the
        interval reaches below and above it; and the same of those that do not turn round."""
        pairs: list[Any] = []
        turned: list[Any] = []
        for (i, j), bounds in sorted(self._bounds.items()):
            if i < j:
                pairs.append(_reach(bounds, self._blocks[i, j]))
            elif _turned(bounds) != self._bounds.get((j, i)):
                turned.append([i, j, *_reach(bounds, self._blocks[i, j])])
        return pairs, turned


def _reach(bounds: Bounds, blocks: int) -> list[int | None]:
    centre, low, high = bounds
    if centre is None or low is None or high is None:
        return [blocks, centre]
    return [blocks, centre, centre - low, high - centre]


def _letter(cell: Cell, itself: bool) -> str:
    if cell.verdict is None:
        if itself:
            return ITSELF
        return NO_BLOCK if cell.words == "no block has both" else NONE
    letter = LETTERS[cell.verdict]
    return letter.upper() if cell.depends_on_dirty else letter
