"""Where other people's runtimes are ahead of the suite's own: for each case and figure the peers that
need less than the best backend of the same model."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from overlap.judge.metrics import METRICS, Metric
from overlap.judge.statistics import least_blocks, paired
from overlap.records.files import Records
from overlap.records.models import MODELS, model_of
from overlap.judge.series import Series, from_records

FIGURES = ("wall", "cpu", "memory", "lateness", "p99", "gap")
# A ratio from fewer blocks than a verdict takes has no interval: then it has to be as far from 1 as
# a difference must be to matter.
MATTERS = 0.05


@dataclass(frozen=True)
class Ahead:
    """A peer that needs `ratio` of what `best` needs, the suite's best backend of its model.
    Without an interval, `low` and `high` are NaN."""

    case: str
    metric: Metric
    peer: str
    best: str
    ratio: float
    low: float
    high: float
    blocks: int


def _values(row: Series, metric: Metric) -> dict[int, float]:
    """By block."""
    return {block: value for block, value in row.seen_by(metric).values.items() if value}


def _compared(case: str, metric: Metric, peer: Series, best: Series) -> Ahead | None:
    ours, theirs = _values(best, metric), _values(peer, metric)
    shared = sorted(ours.keys() & theirs.keys())
    if not shared:
        return None
    logs = np.array([[math.log(theirs[block] / ours[block]) for block in shared]])
    names = (case, metric, peer.backend, best.backend)
    if len(shared) < least_blocks(1):
        ratio = math.exp(median(logs[0]))
        return (
            Ahead(*names, ratio, math.nan, math.nan, len(shared)) if ratio < 1 - MATTERS else None
        )
    found = paired(logs)
    centre, low, high = (float(np.exp(x[0])) for x in (found.centre, found.low, found.high))
    return Ahead(*names, centre, low, high, len(shared)) if high < 1 else None


def _measured(records: Records) -> list[Series]:
    return [row for row in from_records(records).series if not row.words and not row.placebo_of]


def _by_model(
    rows: Sequence[Series], metric: Metric
) -> Iterator[tuple[str, str, list[Series], list[Series]]]:
    """Case, model, and of those measured there the suite's own and the peers."""
    for case in dict.fromkeys(row.case for row in rows):
        of_case = [row for row in rows if row.case == case and _values(row, metric)]
        for model in MODELS:
            found = [row for row in of_case if model_of(row.row) == model]
            own = [row for row in found if not row.row.model]
            yield case, model, own, [row for row in found if row.row.model]


def peers_ahead(records: Records) -> list[Ahead]:
    """In the order of the cases, the figures and the models."""
    rows = _measured(records)
    found = []
    for figure, metric in enumerate(METRICS[name] for name in FIGURES):
        for case, _, own, peers in _by_model(rows, metric):
            for peer in peers if own else []:
                if ahead := _compared(case, metric, peer, _best(own, metric, peer)):
                    found.append((figure, ahead))
    cases = list(dict.fromkeys(row.case for row in rows))
    found.sort(key=lambda each: (cases.index(each[1].case), each[0]))
    return [ahead for _, ahead in found]


def _best(own: Sequence[Series], metric: Metric, peer: Series) -> Series:
    """Of those that were measured in at least half as many blocks as the peer, or as the one of them
    that was in most: a median of two blocks may be the smallest by luck."""
    blocks = {id(row): len(_values(row, metric)) for row in own}
    enough = min(max(blocks.values()), len(_values(peer, metric))) / 2
    return min(
        (row for row in own if blocks[id(row)] >= enough),
        key=lambda row: median(_values(row, metric).values()),
    )


def not_compared(records: Records) -> list[str]:
    """Where peers were measured and no backend of their model."""
    groups = _by_model(_measured(records), METRICS["wall"])
    return [
        f"{case} ({model}: {', '.join(peer.backend for peer in peers)})"
        for case, model, own, peers in groups
        if peers and not own
    ]
