"""Conditions of claims in words: what is compared with which bound, and what was measured."""

import math
from collections.abc import Sequence

from overlap.base.units import NOT_MEASURED, plain
from overlap.judge.claim_file import Condition, Finding
from overlap.judge.claims import Judged, JudgedClaim

GLYPHS = {
    Finding.HOLDS: "✓",
    Finding.FAILS: "✗",
    Finding.UNDECIDED: "?",
    Finding.MISSING: "–",
}


def figure(value: float, condition: Condition) -> str:
    if math.isnan(value):
        return NOT_MEASURED
    return f"{plain(value)}×" if condition.to else condition.metric.show(value)


def bound(condition: Condition) -> str:
    if condition.least is None:
        return f"≤ {figure(condition.most or 0.0, condition)}"
    if condition.most is None:
        return f"≥ {figure(condition.least, condition)}"
    return f"{figure(condition.least, condition)} to {figure(condition.most, condition)}"


def _short_row(row: str, other: str) -> str:
    """`row`, or its backend alone where the other row is of the same case."""
    case, _, backend = row.rpartition("/")
    return backend if other and other.rpartition("/")[0] == case else row


def subject(condition: Condition) -> str:
    """What is compared with the bound, in a few words."""
    if not condition.to:
        return f"{condition.metric.name} of {condition.row}"
    return f"{condition.metric.name} of {condition.row} ÷ {_short_row(condition.to, condition.row)}"


def measured(judged: Judged) -> str:
    """The figure with its interval, or the words that stand for them."""
    condition = judged.condition
    if judged.finding is Finding.MISSING:
        return judged.reason
    text = figure(judged.centre, condition)
    if judged.reason:
        return f"{text} ({judged.reason})" if text != NOT_MEASURED else judged.reason
    low, high = figure(judged.low, condition), figure(judged.high, condition)
    return f"{text} [{low}, {high}], {judged.blocks} blocks"


def closing(claims: Sequence[JudgedClaim]) -> list[str]:
    """The counts, and what was otherwise than foreseen."""
    own = [judged for judged in claims if not judged.claim.control]
    counts = [f"{sum(j.finding is f for j in own)} {f.value}" for f in Finding]
    lines = [f"{len(own)} claims: {', '.join(counts)}."]
    for judged in claims:
        if not judged.surprising:
            continue
        was, foreseen = judged.finding.value, judged.claim.expected.value
        trust = "; no verdict of this page can be trusted" if judged.claim.control else ""
        lines.append(f"{judged.claim.name}: {was}, expected: {foreseen}{trust}.")
    return lines
