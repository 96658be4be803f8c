"""What a page shows of one run, before it is markup: workloads, their cases, and a row a backend."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from overlap.base.units import plain
from overlap.judge.comparison import Case, Cell, Comparison, Question
from overlap.judge.curves import is_swept, split_name
from overlap.judge.first_runs import figure, which_runs
from overlap.judge.metrics import METRICS, Metric
from overlap.judge.series import Series, Source, gate_name
from overlap.judge.verdicts import MARGIN, Verdict
from overlap.page.matrix import Packed, against_reference, pack
from overlap.records.models import language_of, model_of, place_of
from overlap.show.run_page import gate_notes
from overlap.show.verdict_page import interval, percent, ratio, verdict

# What a table has of each workload, and of these the first that was measured in it besides.
FIGURES = ("wall", "cpu", "memory")
RESPONSE = ("gap", "p99", "lateness")
SHORT = {
    "wall": "time",
    "cpu": "CPU per {unit}",
    "memory": "memory per task",
    "gap": "longest gap",
    "p99": "99th percentile",
    "lateness": "median lateness",
}


@dataclass(frozen=True)
class Figure:
    """A metric's cell of a row: what stands in it, and against the case's reference its glyph. `said` are
    words in place of a number."""

    text: str
    glyph: str = ""
    said: bool = False


@dataclass
class Row:
    """A backend in a case. `place` is that among the cells of the case, by which data names it."""

    series: Series
    place: int
    figures: list[Figure]
    ratio: str = ""
    interval: str = ""
    verdict: str = ""
    tiers: dict[str, str] = field(default_factory=dict)  # By metric.
    words: str = ""
    itself: bool = False

    @property
    def backend(self) -> str:
        return self.series.backend

    @property
    def model(self) -> str:
        return model_of(self.series.row)

    @property
    def language(self) -> str:
        return language_of(self.series.row)

    @property
    def concurrency(self) -> str:
        return plain(self.series.median_of("concurrency"))

    @property
    def parallelism(self) -> str:
        cores = self.series.median_of("parallelism")
        return "<0.01" if cores is not None and cores < 0.01 else plain(cores)


@dataclass
class CaseTable:
    """`about` says how far its differences can be trusted; `words` stand for all rows where there are
    none. `rows` are in the order of their models."""

    name: str
    about: str
    rows: list[Row]
    words: str = ""
    reference: str = ""


@dataclass
class Workload:
    """`metrics` are the columns of its table, `first` the one that is judged where nobody has chosen;
    `data` holds by metric and case what the page needs for other baselines. The cases of a family are
    many and alike, and shown by its curves first: `is_family` keeps their table closed."""

    name: str
    is_family: bool
    unit: str
    metrics: list[Metric]
    first: Metric
    cases: list[CaseTable] = field(default_factory=list)
    data: dict[str, dict[str, Packed]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def short(self, metric: Metric) -> str:
        return SHORT[metric.name].format(unit=self.unit)


def workloads(source: Source) -> Iterator[Workload]:
    """Each with its cases, and each family of cases by itself."""
    groups: dict[tuple[str, bool], list[Series]] = {}
    for series in source.series:
        swept = is_swept(series.case)
        name = split_name(series.case)[0] if swept else series.places["workload"]
        groups.setdefault((name, swept), []).append(series)
    for (name, swept), of_group in groups.items():
        yield _workload(replace(source, series=of_group, notes=[]), name, swept)


def _workload(source: Source, name: str, is_family: bool) -> Workload:
    measured = [s for s in source.series if s.by_block and not s.placebo_of]
    metrics = [METRICS[figure] for figure in FIGURES if _has(measured, METRICS[figure])]
    metrics += [METRICS[name] for name in RESPONSE if _has(measured, METRICS[name])][:1]
    metrics = metrics or [METRICS["wall"]]
    first = _first(metrics, measured)
    found = Workload(name, is_family, source.series[0].row.unit, metrics, first)
    cases = {metric.name: against_reference(source, metric) for metric in metrics}
    packed = {metric.name: pack(source, metric, cases[metric.name]) for metric in metrics}
    for i, case in enumerate(cases[first.name]):
        of_metrics = {metric.name: cases[metric.name][i] for metric in metrics}
        table = _case_table(of_metrics, first)
        found.cases.append(table)
        if not table.words:
            for metric in metrics:
                of_metric = found.data.setdefault(metric.name, {})
                of_metric[case.name] = packed[metric.name][case.name]
    found.notes = list(_notes(source.series))
    return found


def _has(measured: Sequence[Series], metric: Metric) -> bool:
    """Words, such as that it is the load generator's, are something, too."""
    return any(metric.of_any(series.by_block.values()) for series in measured)


def _first(metrics: Sequence[Metric], measured: Sequence[Series]) -> Metric:
    """What a workload is about: how long a program does not answer, or else its time; its CPU time where
    the time is the load generator's."""
    if any(metric.name == "gap" for metric in metrics):
        return METRICS["gap"]
    bound = sum(bool(series.gate) for series in measured)
    return next((m for m in metrics if m.name == "cpu" and 2 * bound > len(measured)), metrics[0])


def _case_table(cases: Mapping[str, Case], first: Metric) -> CaseTable:
    case = cases[first.name]
    rows = [_row(i, cases, first) for i in range(len(case.cells))]
    table = CaseTable(case.name, _about(case), rows, reference=case.reference)
    if all(row.words for row in rows):
        table.words, table.rows = _counted([row.words for row in rows]), []
    table.rows.sort(key=lambda row: place_of(row.model))
    return table


def _counted(words: Sequence[str]) -> str:
    """Each once, with how often it was said where that differs."""
    found = dict.fromkeys(words)
    if len(found) == 1:
        return words[0]
    return "; ".join(f"{each} ({words.count(each)})" for each in found)


def _row(place: int, cases: Mapping[str, Case], first: Metric) -> Row:
    cell = cases[first.name].cells[place]
    figures = [_figure(case.cells[place], METRICS[name]) for name, case in cases.items()]
    row = Row(cell.series, place, figures)
    # What the row has of no metric stands in it once, whatever is asked of it.
    row.words = "" if cell.series.by_block else cell.series.words
    row.itself = cell.verdict is None and not cell.words
    tiers = {name: case.cells[place].tier for name, case in cases.items()}
    row.tiers = {name: str(tier) for name, tier in tiers.items() if tier is not None}
    if cell.verdict is None:
        row.verdict = cell.words or "baseline"
    else:
        row.ratio, row.interval = ratio(cell.centre), interval(cell)
        row.verdict = verdict(cell, Comparison(Question(first), [], []))
    return row


def _figure(cell: Cell, metric: Metric) -> Figure:
    series = cell.series
    if series.values:
        glyph = cell.verdict.value if cell.verdict else ""
        return Figure(figure(series, metric), glyph)
    return Figure(short_words(series), said=True)


def short_words(series: Series) -> str:
    """What stands in a metric's cell in place of a number; the judged column has the whole of it."""
    return gate_name(series.gate) if series.gate and series.by_block else "–"


def _about(case: Case) -> str:
    noise = case.noise
    if any(cell.verdict is Verdict.WITHHELD for cell in case.cells):
        return "machine unstable: equal things came out different, so nothing is judged"
    if noise.floor is None:
        return "no placebo: noise floor unknown" if not case.placebos else "noise floor unknown"
    matters = f"; differences matter from {percent(noise.margin())} on"
    return f"noise floor {percent(noise.floor)}" + matters * (noise.margin() > MARGIN)


def _notes(rows: Sequence[Series]) -> Iterator[str]:
    yield from which_runs([row for row in rows if not row.words])
    yield from gate_notes(rows)
    for row in rows:
        if row.by_block and row.error:
            yield f"{row.name}: {len(row.by_block)} of {len(row.attempted)} blocks, then: {row.error}"


def data_of(found: Workload) -> dict[str, Any]:
    """For the page's own code: a workload's cases by number, each with its backends."""
    cases = [table for table in found.cases if table.rows]
    return {
        "name": found.name,
        "first": found.first.name,
        "metrics": [metric.name for metric in found.metrics],
        "cases": [
            {
                "name": table.name,
                "backends": [row.backend for row in sorted(table.rows, key=lambda r: r.place)],
                "figures": [found.data[metric.name][table.name] for metric in found.metrics],
            }
            for table in cases
        ],
    }
