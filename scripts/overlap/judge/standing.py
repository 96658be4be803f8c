"""Where other people's runtimes are ahead of the suite's own: for each case and figure the peers that
need less than the best backend of the same model."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from overlap.base.units import digits
from overlap.judge.metrics import METRICS, Metric
from overlap.judge.statistics import least_blocks, paired
from overlap.records.files import Records
from overlap.records.models import MODELS, model_of
from overlap.judge.series import RowSamples, samples_of_rows
from overlap.show.verdict_page import markdown_table

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


def _values(row: RowSamples, metric: Metric) -> dict[int, float]:
    """By block."""
    found = {block: metric.of(counters) for block, counters in row.by_block.items()}
    return {block: value for block, value in found.items() if value}


def _compared(case: str, metric: Metric, peer: RowSamples, best: RowSamples) -> Ahead | None:
    ours, theirs = _values(best, metric), _values(peer, metric)
    shared = sorted(ours.keys() & theirs.keys())
    if not shared:
        return None
    logs = np.array([[math.log(theirs[block] / ours[block]) for block in shared]])
    names = (case, metric, peer.row.backend, best.row.backend)
    if len(shared) < least_blocks(1):
        ratio = math.exp(median(logs[0]))
        return (
            Ahead(*names, ratio, math.nan, math.nan, len(shared)) if ratio < 1 - MATTERS else None
        )
    found = paired(logs)
    centre, low, high = (float(np.exp(x[0])) for x in (found.centre, found.low, found.high))
    return Ahead(*names, centre, low, high, len(shared)) if high < 1 else None


def _measured(records: Records) -> list[RowSamples]:
    rows = [row for row in samples_of_rows(records).values() if not row.words]
    return [row for row in rows if not row.row.placebo_of]


def _by_model(
    rows: Sequence[RowSamples], metric: Metric
) -> Iterator[tuple[str, str, list[RowSamples], list[RowSamples]]]:
    """Case, model, and of those measured there the suite's own and the peers."""
    for case in dict.fromkeys(row.row.case_name for row in rows):
        of_case = [row for row in rows if row.row.case_name == case and _values(row, metric)]
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
    cases = list(dict.fromkeys(row.row.case_name for row in rows))
    found.sort(key=lambda each: (cases.index(each[1].case), each[0]))
    return [ahead for _, ahead in found]


def _best(own: Sequence[RowSamples], metric: Metric, peer: RowSamples) -> RowSamples:
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
        f"{case} ({model}: {', '.join(peer.row.backend for peer in peers)})"
        for case, model, own, peers in groups
        if peers and not own
    ]


def standing(records: Records) -> str:
    """A table in Markdown, or a sentence if there is nothing to list; and what had nothing to be
    compared with."""
    lines = [["case", "figure", "peer", "our best of its model", "ratio", "blocks"]]
    for each in peers_ahead(records):
        ratio = digits(each.ratio)
        if not math.isnan(each.low):
            ratio += f" [{digits(each.low)}, {digits(each.high)}]"
        lines.append([each.case, each.metric.title, each.peer, each.best, ratio, str(each.blocks)])
    if not any(row.row.model and not row.words for row in samples_of_rows(records).values()):
        return "No peer was measured.\n"
    if len(lines) == 1:
        told = "No peer is ahead of our best backend of its model.\n"
    else:
        told = "\n".join(markdown_table(lines)) + "\n"
    if missing := not_compared(records):
        told += (
            f"\nNot compared, since we measured no backend of that model: {'; '.join(missing)}.\n"
        )
    return told
