"""Where other people's runtimes are ahead of the suite's own: for each case and figure the peers that
need less than the best backend of the same model."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, mode

import numpy as np

from overlap.judge.metrics import METRICS, Metric, log_ratio
from overlap.judge.statistics import ALPHA, bootstrapped, holm, least_blocks, paired
from overlap.records.files import Records
from overlap.records.models import MODELS, is_peer, model_of
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


@dataclass(frozen=True)
class _Pairing:
    """A peer beside the best of our backends of its model, and the logarithms of their ratios."""

    peer: str
    best: str
    logs: list[float]


def _paired(own: Sequence[Series], peer: Series, metric: Metric) -> _Pairing | None:
    """In each block the peer is compared with the backend that is the best in all other blocks: who
    was the best by luck has no luck left in a block that was not looked at."""
    theirs = _values(peer, metric)
    ours = {row.backend: _values(row, metric) for row in own}
    logs, chosen = [], []
    for block, value in sorted(theirs.items()):
        best = _best(ours, [other for other in theirs if other != block])
        if block in ours[best]:
            logs.append(log_ratio(value, ours[best][block]))
            chosen.append(best)
    return _Pairing(peer.backend, mode(chosen), logs) if logs else None


def _best(ours: Mapping[str, dict[int, float]], blocks: Sequence[int]) -> str:
    """Of those that were measured in at least half of these blocks, or in half as many as the one of
    them that was in most: a median of two blocks may be the smallest by luck."""
    counts = {name: len(values) for name, values in ours.items()}
    enough = min(max(counts.values()), len(blocks)) / 2
    found = {name: [v[b] for b in blocks if b in v] or [math.inf] for name, v in ours.items()}
    return min((n for n in ours if counts[n] >= enough), key=lambda name: median(found[name]))


def _judged(pairings: Sequence[_Pairing], case: str, metric: Metric) -> Iterator[Ahead]:
    """Those that are ahead in one figure of one case, after Holm over all that are compared there."""
    few = [each for each in pairings if len(each.logs) < least_blocks(1)]
    many = [each for each in pairings if each not in few]
    for each in few:
        ratio = math.exp(median(each.logs))
        if ratio < 1 - MATTERS:
            nan = math.nan
            yield Ahead(case, metric, each.peer, each.best, ratio, nan, nan, len(each.logs))
    if not many:
        return
    width = max(len(each.logs) for each in many)
    logs = np.array([each.logs + [math.nan] * (width - len(each.logs)) for each in many])
    found = paired(logs) if metric.ranked else bootstrapped(logs, seed=0)
    for i, (each, p) in enumerate(zip(many, holm(found.p), strict=True)):
        centre, low, high = (float(np.exp(x[i])) for x in (found.centre, found.low, found.high))
        if p <= ALPHA and centre < 1:
            yield Ahead(case, metric, each.peer, each.best, centre, low, high, len(each.logs))


def _measured(records: Records) -> list[Series]:
    return [row for row in from_records(records).series if not row.words and not row.placebo_of]


def _by_model(of_case: Sequence[Series]) -> Iterator[tuple[str, list[Series], list[Series]]]:
    """Model, and of the rows of a case that are of it the suite's own and the peers."""
    for model in MODELS:
        found = [row for row in of_case if model_of(row.row) == model]
        peers = [row for row in found if is_peer(row.row)]
        yield model, [row for row in found if not is_peer(row.row)], peers


def _by_case(rows: Sequence[Series]) -> dict[str, list[Series]]:
    cases: dict[str, list[Series]] = {}
    for row in rows:
        cases.setdefault(row.case, []).append(row)
    return cases


def peers_ahead(records: Records) -> list[Ahead]:
    """In the order of the cases, the figures and the models."""
    found: list[Ahead] = []
    for case, rows in _by_case(_measured(records)).items():
        for metric in (METRICS[name] for name in FIGURES):
            groups = _by_model([row for row in rows if _values(row, metric)])
            pairings = [
                _paired(own, peer, metric) for _, own, peers in groups if own for peer in peers
            ]
            found += _judged([each for each in pairings if each], case, metric)
    return found


def not_compared(records: Records) -> list[str]:
    """Where peers were measured and no backend of their model."""
    return [
        f"{case} ({model}: {', '.join(peer.backend for peer in peers)})"
        for case, rows in _by_case(_measured(records)).items()
        for model, own, peers in _by_model(rows)
        if peers and not own
    ]
