"""Tables of a whole run, in Markdown: the figures that were asked for, a line for each backend; and
where peers are ahead of the suite's own backends."""

import math

from collections.abc import Sequence

from overlap.base.exits import UsageError
from overlap.base.units import NOT_MEASURED, digits
from overlap.judge.first_runs import figure
from overlap.judge.metrics import METRICS, Metric
from overlap.records.files import Records
from overlap.records.models import is_absent, model_of, place_of
from overlap.records.rows import Row
from overlap.judge.standing import not_compared, peers_ahead
from overlap.judge.series import GENERATOR_BOUND, Series, from_records
from overlap.show import grid

Figure = tuple[str, Metric]  # A case, such as gather/1k_empty, and what is shown of it.


def parse_figures(text: str, cases: Sequence[str]) -> list[Figure]:
    """Of `CASE:METRIC,...`. Raises UsageError for a case that is none of `cases`, or no metric."""
    found = []
    for part in text.split(","):
        case, _, name = part.strip().partition(":")
        if case not in cases:
            known = ", ".join(cases)
            raise UsageError(f"--overview {part.strip()!r}: expected a case, one of {known}")
        if name not in METRICS:
            known = ", ".join(METRICS)
            raise UsageError(
                f"--overview {part.strip()!r}: expected a metric after {case}:, {known}"
            )
        found.append((case, METRICS[name]))
    return found


def overview(records: Records, figures: str) -> str:
    """Medians over blocks, in Markdown. Raises UsageError as parse_figures does."""
    rows = [row for row in from_records(records).series if not row.placebo_of]
    by_name = {row.name: row for row in rows}
    chosen = parse_figures(figures, list(dict.fromkeys(row.case for row in rows)))
    backends: dict[str, Row] = {}
    for row in rows:
        if row.case in (case for case, _ in chosen) and not is_absent(row.row):
            backends.setdefault(row.backend, row.row)
    ordered = sorted(backends.values(), key=lambda row: place_of(model_of(row)))
    units = {row.case: row.row.unit for row in rows}
    titles = [f"{c}: {m.title.replace('per task', f'per {units[c]}')}" for c, m in chosen]
    lines = []
    for row in ordered:
        told: set[str] = set()  # Why a case has no figures is said once.
        cells = []
        for case, metric in chosen:
            of_case = by_name.get(f"{case}/{row.backend}")
            cells.append("" if case in told else _cell(of_case, metric))
            if of_case and of_case.words:
                told.add(case)
        lines.append([row.backend, model_of(row), *cells])
    header = ["backend", "model", *titles]
    right = range(2, 2 + len(chosen))
    return "\n".join(grid.markdown(grid.table(header, lines, right))) + "\n"


def _cell(row: Series | None, metric: Metric) -> str:
    if row is None:
        return NOT_MEASURED
    if row.words:
        return row.words
    seen = row.seen_by(metric)
    return seen.words if seen.words.startswith(GENERATOR_BOUND) else figure(row, metric)


def standing(records: Records) -> str:
    """Where peers are ahead, or a sentence if they are nowhere; and what had nothing to be compared
    with."""
    lines = []
    for each in peers_ahead(records):
        ratio = digits(each.ratio)
        if not math.isnan(each.low):
            ratio += f" [{digits(each.low)}, {digits(each.high)}]"
        lines.append([each.case, each.metric.title, each.peer, each.best, ratio, str(each.blocks)])
    if not any(row.row.model and not row.words for row in from_records(records).series):
        return "No peer was measured.\n"
    if lines:
        header = ["case", "figure", "peer", "our best of its model", "ratio", "blocks"]
        told = "\n".join(grid.markdown(grid.table(header, lines))) + "\n"
    else:
        told = "No peer is ahead of our best backend of its model.\n"
    if missing := not_compared(records):
        told += (
            f"\nNot compared, since we measured no backend of that model: {'; '.join(missing)}.\n"
        )
    return told
