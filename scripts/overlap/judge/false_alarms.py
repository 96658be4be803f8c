"""How often two equal backends are called different on a real machine.

A long run of one backend and its placebo is cut into repetitions of as many blocks as a profile
has, one after another; each is judged as a run of its own would be."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from overlap.judge.comparison import within_blocks
from overlap.judge.series import Choice, Source
from overlap.judge.statistics import ALPHA, paired
from overlap.judge.verdicts import DIFFERENT, Noise, judge

LEAST_REPETITIONS = 40


@dataclass(frozen=True)
class FalseAlarms:
    """Of `repetitions` of one case: how many intervals left out "no difference", and how many would
    have been called faster or slower. `spread` is the largest ratio that was estimated."""

    case: str
    backend: str
    blocks: int
    repetitions: int
    told_apart: int
    called_different: int
    spread: float

    @property
    def sound(self) -> bool:
        """Enough repetitions, and false verdicts in no more of them than is stated."""
        return self.enough and self.called_different <= ALPHA * self.repetitions

    @property
    def enough(self) -> bool:
        return self.repetitions >= LEAST_REPETITIONS


def count_false_alarms(sources: Sequence[Source], blocks: int) -> Iterator[FalseAlarms]:
    """One for each placebo in each file that has blocks for at least one repetition."""
    for source in sources:
        for placebo in source.series:
            if not placebo.placebo_of:
                continue
            of_case = (s for s in source.series if s.case == placebo.case)
            original = next((s for s in of_case if s.backend == placebo.placebo_of), None)
            if original is None:
                continue
            ratios = within_blocks(placebo, original, Choice.REPEATED)
            repetitions = len(ratios) // blocks
            if not repetitions:
                continue
            found = paired(np.reshape(ratios[: repetitions * blocks], (repetitions, blocks)))
            verdicts = [judge(found[[i]], Noise())[0] for i in range(repetitions)]
            yield FalseAlarms(
                placebo.case,
                original.backend,
                blocks,
                repetitions,
                int(np.sum(found.p <= ALPHA)),
                sum(verdict in DIFFERENT for verdict in verdicts),
                float(np.exp(np.max(np.abs(found.centre)))),
            )


def _rate(count: int, of: int) -> str:
    """A share with the exact interval of C. J. Clopper and E. S. Pearson, 1934."""
    bounds = binomtest(count, of).proportion_ci(method="exact")
    low, high = (f"{100 * bound:.1f}" for bound in (bounds.low, bounds.high))
    return f"{count} of {of}: {100 * count / of:.1f}% [{low}, {high}]"


def table(found: Sequence[FalseAlarms]) -> tuple[list[str], list[list[str]]]:
    """The header of a table, and its lines."""
    header = ["case", "backend, twice", "blocks", "interval without 1", "faster or slower"]
    rows = [
        [
            alarms.case,
            alarms.backend,
            str(alarms.blocks),
            _rate(alarms.told_apart, alarms.repetitions),
            _rate(alarms.called_different, alarms.repetitions),
            f"{alarms.spread:.3f}",
        ]
        for alarms in found
    ]
    return [*header, "farthest ratio"], rows
