"""The first run of a case in a fresh process beside the later ones: which of them a figure is of, and
what the other came to where it matters."""

from collections.abc import Sequence
from statistics import median

from overlap.judge.metrics import METRICS, Metric, log_ratio
from overlap.judge.series import Series
from overlap.judge.verdicts import MARGIN

LATER_RUNS = "later_runs"
# By the metric of the later runs, that of the first one.
FIRST = {"wall": METRICS["cold"], "cpu": METRICS["cold-cpu"]}


def is_of_first_run(row: Series) -> bool:
    """Whether its samples had but one run of the whole case. Old records do not say."""
    return row.median_of(LATER_RUNS) == 0


def first_run(row: Series, metric: Metric) -> float | None:
    """What the first run came to, where it differs from the later ones by more than the margin; None
    where it does not, or nobody knows."""
    if metric.name not in FIRST or not row.median_of(LATER_RUNS):
        return None
    first, later = row.seen_by(FIRST[metric.name]), row.seen_by(metric)
    if first.words or later.words:
        return None
    ratios = [log_ratio(value, later.values[block]) for block, value in first.values.items()]
    return first.middle() if abs(median(ratios)) > MARGIN else None


def figure(row: Series, metric: Metric) -> str:
    """A row's value of a metric, and the first run's where that differs."""
    first = first_run(row, metric)
    beside = "" if first is None else f" (first run {metric.show(first)})"
    return metric.show(row.seen_by(metric).middle()) + beside


def which_runs(rows: Sequence[Series]) -> list[str]:
    """Which runs times of these rows are of: a sentence, or none where the records do not say."""
    said = [row for row in rows if row.median_of(LATER_RUNS) is not None]
    only = list(dict.fromkeys(row.case for row in said if is_of_first_run(row)))
    sentences = []
    if any(not is_of_first_run(row) for row in said):
        sentences.append(
            "wall and CPU time are those of later runs in a process; the first run in it stands beside "
            "them where it differs by more than 5%"
        )
    if only:
        sentences.append(
            f"of the first run in a process, since samples have no other: {', '.join(only)}"
        )
    return sentences
