"""Judges claims on the records of a run.

A condition compares the figure of a row, or the ratio of two rows within each block, with a bound.
On logarithms both are alike: the estimate and its 95% interval come from the same tests as those of
scripts/compare, and the condition holds when the whole interval lies on the right side of the
bound, does not hold when all of it lies on the wrong side, and is undecided otherwise. Figures that
are counted rather than timed (memory, system calls) have next to no noise and are had in few
blocks: for them the range of what was counted, at least three times, stands for the interval.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from overlap.judge.claim_file import Claim, Condition, Finding
from overlap.judge.metrics import Metric, log_ratio
from overlap.judge.series import Series, Source, from_records
from overlap.judge.statistics import bootstrapped, paired
from overlap.judge.verdicts import noise_of
from overlap.records.files import Records

COUNTED = ("memory", "syscalls")
LEAST_COUNTS = 3


@dataclass(frozen=True)
class Judged:
    """A condition with what was found. `centre`, `low` and `high` are the figure or the ratio
    itself, NaN where there is none; `reason` says why there is no better finding."""

    condition: Condition
    finding: Finding
    centre: float = math.nan
    low: float = math.nan
    high: float = math.nan
    blocks: int = 0
    reason: str = ""


@dataclass(frozen=True)
class JudgedClaim:
    claim: Claim
    conditions: tuple[Judged, ...]

    @property
    def finding(self) -> Finding:
        """One condition that does not hold is enough; what was not measured could be such."""
        found = [judged.finding for judged in self.conditions]
        order = (Finding.FAILS, Finding.MISSING, Finding.UNDECIDED)
        return next((finding for finding in order if finding in found), Finding.HOLDS)

    @property
    def surprising(self) -> bool:
        """The opposite of what its authors foresaw. Too little measured is no surprise, unless a
        control was to show something."""
        if self.claim.control:
            return self.finding not in (self.claim.expected, Finding.MISSING)
        return {self.finding, self.claim.expected} == {Finding.HOLDS, Finding.FAILS}


class Judge:
    """Reads the records once; keeps what each metric that conditions ask for makes of them."""

    def __init__(self, records: Records) -> None:
        self._read = from_records(records)
        self._sources: dict[str, Source] = {}

    def judge(self, claim: Claim) -> JudgedClaim:
        return JudgedClaim(
            claim, tuple(self._judge(c, claim.most_blocks) for c in claim.conditions)
        )

    def _source(self, metric: Metric) -> Source:
        if metric.name not in self._sources:
            self._sources[metric.name] = self._read.seen_by(metric)
        return self._sources[metric.name]

    def _judge(self, condition: Condition, most_blocks: int | None) -> Judged:
        source = self._source(condition.metric)
        by_row = {series.name: series for series in source.series}
        for row in condition.rows:
            if row not in by_row:
                return Judged(condition, Finding.MISSING, reason=f"no row {row}")
            if not by_row[row].values:
                return Judged(condition, Finding.MISSING, reason=f"{row}: {by_row[row].words}")
        logs = _logarithms(condition, by_row)[:most_blocks]
        if not logs:
            return Judged(condition, Finding.MISSING, reason="no block has both rows")
        if unstable := _unstable_case(condition, source):
            reason = f"machine unstable: the placebo of {unstable} differs from its double"
            return Judged(condition, Finding.UNDECIDED, blocks=len(logs), reason=reason)
        return _decide(condition, logs, source.seed)


def _logarithms(condition: Condition, by_row: dict[str, Series]) -> list[float]:
    """By block, in their order."""
    values = by_row[condition.row].values
    if not condition.to:
        return [log_ratio(value, 1.0) for _, value in sorted(values.items())]
    others = by_row[condition.to].values
    return [
        log_ratio(value, others[block])
        for block, value in sorted(values.items())
        if block in others
    ]


def _unstable_case(condition: Condition, source: Source) -> str:
    """The case of the condition whose placebo is not the same as what it doubles, if any."""
    by_row = {series.name: series for series in source.series}
    for case in dict.fromkeys(by_row[row].case for row in condition.rows):
        placebo = next((s for s in source.series if s.case == case and s.placebo_of), None)
        double = by_row.get(f"{case}/{placebo.placebo_of}") if placebo else None
        if placebo is None or double is None:
            continue
        common = sorted(placebo.values.keys() & double.values.keys())
        logs = [log_ratio(placebo.values[block], double.values[block]) for block in common]
        if logs and noise_of(paired(np.array([logs])), 1).unstable:
            return case
    return ""


def _decide(condition: Condition, logs: Sequence[float], seed: int) -> Judged:
    metric = condition.metric
    if metric.name in COUNTED:
        enough = len(logs) >= LEAST_COUNTS
        centre = float(np.median(logs))
        low, high = (min(logs), max(logs)) if enough else (-math.inf, math.inf)
        needed = f"{LEAST_COUNTS} counts"
    else:
        array = np.array([logs])
        estimates = paired(array) if metric.ranked else bootstrapped(array, seed)
        centre, low, high = (
            float(bound[0]) for bound in (estimates.centre, estimates.low, estimates.high)
        )
        needed = "6 blocks"
    if not math.isfinite(low):
        reason = f"{len(logs)} measured, expected at least {needed}"
        return Judged(
            condition, Finding.UNDECIDED, math.exp(centre), blocks=len(logs), reason=reason
        )
    finding = _place(low, high, condition)
    return Judged(condition, finding, *map(math.exp, (centre, low, high)), blocks=len(logs))


def _place(low: float, high: float, condition: Condition) -> Finding:
    """Where an interval of logarithms lies."""
    least = -math.inf if condition.least is None else math.log(condition.least)
    most = math.inf if condition.most is None else math.log(condition.most)
    if low >= least and high <= most:
        return Finding.HOLDS
    return Finding.FAILS if high < least or low > most else Finding.UNDECIDED
