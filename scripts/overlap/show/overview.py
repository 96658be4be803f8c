"""One table of a whole run: a line for each backend, a column for each figure that was asked for."""

from collections.abc import Sequence
from statistics import median

from overlap.base.exits import UsageError
from overlap.base.units import NOT_MEASURED
from overlap.judge.metrics import METRICS, Metric
from overlap.records.files import Records
from overlap.records.models import OWN_VERSION, is_absent, language_of, model_of, place_of
from overlap.records.rows import Row
from overlap.judge.series import RowSamples, samples_of_rows
from overlap.show.verdict_page import markdown_table

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
    rows = [row for row in samples_of_rows(records).values() if not row.row.placebo_of]
    by_name = {row.row.row: row for row in rows}
    chosen = parse_figures(figures, list(dict.fromkeys(row.row.case_name for row in rows)))
    backends: dict[str, Row] = {}
    for row in rows:
        if row.row.case_name in (case for case, _ in chosen) and not is_absent(row.row):
            backends.setdefault(row.row.backend, row.row)
    ordered = sorted(backends.values(), key=lambda row: place_of(model_of(row)))
    units = {row.row.case_name: row.row.unit for row in rows}
    titles = [f"{c}: {m.title.replace('a task', f'a {units[c]}')}" for c, m in chosen]
    lines = [["backend", "model", "language", *titles, "version"]]
    for row in ordered:
        told: set[str] = set()  # Why a case has no figures is said once.
        cells = []
        for case, metric in chosen:
            of_case = by_name.get(f"{case}/{row.backend}")
            cells.append("" if case in told else _cell(of_case, metric))
            if of_case and of_case.words:
                told.add(case)
        version = row.version or OWN_VERSION
        lines.append([row.backend, model_of(row), language_of(row), *cells, version])
    return "\n".join(markdown_table(lines, [True, True, True, *[False] * len(chosen), True])) + "\n"


def _cell(row: RowSamples | None, metric: Metric) -> str:
    if row is None:
        return NOT_MEASURED
    if row.words:
        return row.words
    values = [metric.of(counters) for counters in row.by_block.values()]
    known = [value for value in values if value is not None]
    return metric.show(median(known)) if known else NOT_MEASURED
