"""What may be said of a difference: verdicts, the noise floor, tiers.

All figures are logarithms of ratios of the judged to the baseline; results/README.md has the rules
in prose. A verdict answers two questions, whether there is a difference and whether it matters, as
equivalence tests do: D. J. Schuirmann, A comparison of the two one-sided tests procedure, 1987;
D. Lakens, Equivalence tests, 2017.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from overlap.judge.statistics import ALPHA, Estimates, holm, least_blocks

MARGIN = math.log(1.05)  # Smaller differences do not matter, whoever can see them.
POWER = 0.8  # The smallest visible difference would be found in this share of runs.
MANY_BLOCKS = 1000  # From here on nobody will measure until it is decided.


class Verdict(Enum):
    """The value is the glyph; the words depend on the metric."""

    LESS = "▼"
    MORE = "▲"
    SAME = "="
    DIFFERS = "≈"
    UNKNOWN = "?"
    WITHHELD = "!"


DIFFERENT = (Verdict.LESS, Verdict.MORE)


@dataclass(frozen=True)
class Noise:
    """What the placebo of a case tells. `floor` is the largest difference that its 95% interval
    holds, though there is none; `visible` the smallest that a run like this finds in 80% of cases;
    None where there are too few blocks, or no placebo."""

    floor: float | None = None
    visible: float | None = None
    unstable: bool = False

    def margin(self, least: float = MARGIN) -> float:
        """What a difference must pass to matter. To be the same is another thing, for which no noise
        makes up."""
        return max(least, self.floor or 0.0)


def noise_of(placebo: Estimates, comparisons: int) -> Noise:
    """From the placebo of one case, the only entry of `placebo`; `comparisons` are the others of
    that case. The machine is unstable when the placebo itself would be called different."""
    low, high, centre = (float(a[0]) for a in (placebo.low, placebo.high, placebo.centre))
    if not (math.isfinite(low) and math.isfinite(high)):
        return Noise()
    reach = norm.ppf(1 - ALPHA / (2 * max(1, comparisons))) + norm.ppf(POWER)
    visible = None
    if placebo.n[0] >= least_blocks(comparisons):
        visible = reach / norm.ppf(1 - ALPHA / 2) * (high - low) / 2
    unstable = (low > 0 or high < 0) and abs(centre) > MARGIN
    return Noise(max(abs(low), abs(high)), visible, unstable)


def judge(estimates: Estimates, noise: Noise, least_margin: float = MARGIN) -> list[Verdict]:
    """The verdicts on all comparisons of one case. A difference is one whose p-value holds after
    Holm and that the machine does not show between two equal backends as well."""
    if noise.unstable:
        return [Verdict.WITHHELD] * len(estimates)
    margin, floor = noise.margin(least_margin), noise.floor or 0.0
    differs = (holm(estimates.p) <= ALPHA) & (np.abs(estimates.centre) > floor)
    passes = np.abs(estimates.centre) > margin
    within = (estimates.inner_low >= -least_margin) & (estimates.inner_high <= least_margin)
    # Five blocks give a 90% interval, too; but one line must be drawn, and it is drawn at six.
    within &= np.isfinite(estimates.low)
    verdicts = []
    for i, centre in enumerate(estimates.centre):
        if differs[i] and passes[i]:
            verdicts.append(Verdict.MORE if centre > 0 else Verdict.LESS)
        elif differs[i]:
            verdicts.append(Verdict.DIFFERS)
        else:
            verdicts.append(Verdict.SAME if within[i] else Verdict.UNKNOWN)
    return verdicts


def more_blocks(
    estimates: Estimates, noise: Noise, *, paired: Sequence[bool] = ()
) -> list[int | None]:
    """For each comparison about how many more blocks (or repetitions on either side, where it is not
    `paired`) would decide it, if the estimate stays where it is and intervals shrink with the square
    root of their number; None if no number below MANY_BLOCKS would."""
    floor, m = noise.floor or 0.0, max(1, len(estimates))
    result: list[int | None] = []
    for i, n in enumerate(estimates.n.tolist()):
        needed: list[float] = []
        fewest = least_blocks(m, paired=paired[i] if paired else True)
        size = abs(float(estimates.centre[i]))
        half = float(estimates.high[i] - estimates.low[i]) / 2
        if not math.isfinite(half):
            result.append(max(1, fewest - n))
            continue
        if size > floor:
            # Until the interval leaves out 0 in spite of Holm.
            strict = norm.ppf(1 - ALPHA / (2 * m)) / norm.ppf(1 - ALPHA / 2)
            needed.append(n * (half * strict / size) ** 2)
        if size < MARGIN:
            inner = float(estimates.inner_high[i] - estimates.inner_low[i]) / 2
            needed.append(n * (inner / (MARGIN - size)) ** 2)
        least = max(min(needed, default=math.inf), fewest)
        result.append(_rounded(least - n) if least - n < MANY_BLOCKS else None)
    return result


def _rounded(blocks: float) -> int:
    """Up, to one digit, or to a half of it where that would double the number: a guess that looks
    like one."""
    blocks = max(1, math.ceil(blocks))
    step = 10 ** (len(str(blocks)) - 1)
    step = step // 2 if step >= 10 else step
    return math.ceil(blocks / step) * step


def tiers(
    order: Sequence[int], against: Callable[[list[int], int], Estimates], noise: Noise
) -> NDArray[np.int64] | None:
    """Numbers from 1 on, one for each backend of a case: in one tier are those that are not shown
    to be more than its best one, after Holm over that tier's comparisons. `order` lists the
    backends from the lowest estimate on; `against(others, best)` compares others with one of them.
    None if too little was measured to show anything, so that one tier would not mean equality."""
    if noise.unstable:
        return None
    result = np.zeros(len(order), np.int64)
    left, number = list(order), 0
    while left:
        number += 1
        best, others = left[0], left[1:]
        found = against(others, best)
        judged = judge(found, noise)
        if number == 1 and others:
            few = int(found.n.min()) < least_blocks(len(others))
            if few or set(judged) == {Verdict.UNKNOWN}:
                return None
        more = [other for other, verdict in zip(others, judged) if verdict is Verdict.MORE]
        result[[i for i in left if i not in more]] = number
        left = more
    return result
