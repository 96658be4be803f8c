"""A page of one file that shows what runs have measured: everything it needs is in it, and it is complete
without its scripts. jinja2 escapes whatever records hold; data goes in as JSON that cannot end its
element.
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from overlap.judge.claim_file import Finding, read_claims
from overlap.judge.claims import Judge, Judged, JudgedClaim
from overlap.judge.comparison import How
from overlap.judge.metrics import METRICS
from overlap.judge.series import Source
from overlap.judge.verdicts import Verdict
from overlap.page.content import Workload, data_of, workloads
from overlap.page.differences import Differences
from overlap.page.matrix import LETTERS
from overlap.page.pictures import Spread, family_pictures, planes, spread
from overlap.records.models import MODELS, is_absent
from overlap.show.answer import HOW, answers, unstable_cases
from overlap.show.claim_words import GLYPHS, bound, closing, measured
from overlap.show.curves import tables_of
from overlap.show.grid import Grid
from overlap.show.heads import READING, contaminated_share, head_line

FILES = Path(__file__).parent / "files"
SCRIPTS = ("state.js", "verdicts.js", "view.js", "controls.js", "drop.js")
MOST_CONTAMINATED = 0.2  # From here on more is disturbed than a run would take again.
LONGEST_NAME = 120
GLYPHS_READ = (
    "Ratios are to the baseline of the same block: the middle and its 95% interval. ▼ less of it and ▲ "
    "more of it: there is a difference and it matters. ≈ there is one, but less than matters. = the "
    "same, as far as matters. ? unknown, with about how many more blocks would decide. † rests on samples "
    "that something else on the machine disturbed.",
    "Backends of one tier are not shown to need more than the best of it.",
    "The noise floor is how far apart the same backend came out from itself in the same blocks.",
)


@dataclass
class Run:
    """What the templates show of one file."""

    number: int
    name: str
    head: str
    link: str
    warning: str
    notes: list[str]
    answers: list[Any]
    planes: list[Any]
    families: list[Any]
    curve_tables: list[Grid]
    spreads: list[Any]
    models: list[str]
    workloads: list[Workload]
    claims: list[dict[str, Any]]
    claims_closing: str
    rows: set[str]


def render(sources: Sequence[Source], output: Path, differences: Differences | None) -> str:
    """The page of these runs, each with a head record. `output` is where it will lie, for its links."""
    runs = [_run(source, number, output) for number, source in enumerate(sources)]
    environment = Environment(
        loader=FileSystemLoader(FILES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = {
        "title": f"overlap: {', '.join(run.name for run in runs)}",
        "runs": runs,
        "has_claims": any(run.claims for run in runs),
        "differences": differences,
        "how": HOW,
        "reading": [*GLYPHS_READ, *READING],
    }
    return environment.get_template("page.html").render(
        page=page,
        style=(FILES / "style.css").read_text(encoding="utf-8"),
        scripts=[(FILES / name).read_text(encoding="utf-8") for name in SCRIPTS],
        data=_embedded(_data(sources, runs)),
    )


def _embedded(data: Any) -> str:
    """As the content of a script element: nothing in it can end that."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("&", "\\u0026").replace("\u2028", "\\u2028")


def short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"


def _run(source: Source, number: int, output: Path) -> Run:
    assert source.records is not None
    source = _without_absent(source)
    found = list(workloads(source))
    judged = _judged(source)
    models = {row.model for each in found for case in each.cases for row in case.rows}
    shown_families = list(family_pictures(source, [METRICS["wall"], METRICS["cpu"]]))
    return Run(
        number,
        short(source.places["file"]),
        head_line(source.records),
        _link(source.path, output),
        _warning(source),
        [*source.notes, *_absent(source)],
        answers(source),
        list(planes(source, source.records.head["machine"]["cores"])),
        [_with_strokes(family, shown_families) for family in shown_families],
        tables_of(source.records),
        [each for workload in found for each in _spreads(workload)],
        [model for model in MODELS if model in models],
        found,
        [_claim(each) for each in judged],
        closing(judged)[0] if judged else "",
        {row.series.name for each in found for case in each.cases for row in case.rows},
    )


def _without_absent(source: Source) -> Source:
    """Peers that cannot run on this machine have one line for all of their rows."""
    gone = {s.backend: s.words for s in source.series if is_absent(s.row)}
    kept = [s for s in source.series if not is_absent(s.row)]
    notes = [*source.notes, *(f"{name}: {words}" for name, words in gone.items())]
    return Source(**{**vars(source), "series": kept, "notes": notes})


def _absent(source: Source) -> Iterator[str]:
    if not any(series.by_block for series in source.series):
        yield "Nothing was measured in this run."


def _warning(source: Source) -> str:
    assert source.records is not None
    words = []
    if unstable := unstable_cases(source):
        words.append(f"equal things came out different in {', '.join(unstable)}")
    share = contaminated_share(source.records)
    if share > MOST_CONTAMINATED:
        words.append(f"{share:.0%} of the samples were disturbed by something else")
    blocks = source.records.head.get("blocks") or 0
    if 0 < blocks < 6:
        words.append(f"{blocks} blocks decide nothing")
    if not words:
        return ""
    return (
        f"this machine was not quiet enough, or this run too short, to trust: {'; '.join(words)}."
    )


def _link(path: Path, output: Path) -> str:
    """From the page to its records, where both are files."""
    if not path.is_file():
        return ""
    return quote(os.path.relpath(path.resolve(), output.resolve().parent))


def _spreads(workload: Workload) -> Iterator[Any]:
    """By each metric: the page shows one at a time, without its scripts that of the workload."""
    for table in workload.cases:
        for metric in workload.metrics:
            found: Spread | None = spread(table, metric)
            if found:
                family = workload.name if workload.is_family else ""
                yield {**vars(found), "hidden": metric is not workload.first, "family": family}


def _with_strokes(family: Any, every: Sequence[Any]) -> dict[str, Any]:
    backends = dict.fromkeys(line.backend for each in every for line in each.lines)
    strokes = {backend: number % 9 for number, backend in enumerate(backends)}
    return {**vars(family), "stroke": strokes}


def _judged(source: Source) -> list[JudgedClaim]:
    """Of the project's claims those that these records have rows for."""
    assert source.records is not None
    judge = Judge(source.records)
    found = [judge.judge(claim) for claim in read_claims()]
    return [each for each in found if each.finding is not Finding.MISSING]


def _claim(judged: JudgedClaim) -> dict[str, Any]:
    return {
        "name": judged.claim.name,
        "statement": judged.claim.statement,
        "said_in": judged.claim.said_in,
        "note": judged.claim.note,
        "finding": judged.finding.value,
        "glyph": GLYPHS[judged.finding],
        "conditions": [_condition(each) for each in judged.conditions],
    }


def _condition(judged: Judged) -> dict[str, Any]:
    return {
        "words": judged.condition.words,
        "glyph": GLYPHS[judged.finding],
        "measured": measured(judged),
        "bound": bound(judged.condition),
        "metric": judged.condition.metric.name,
        "rows": judged.condition.rows,
    }


# For the page's own code.


def _data(sources: Sequence[Source], runs: Sequence[Run]) -> dict[str, Any]:
    return {
        "how": How.PAIRED.value,
        "letters": {letter: verdict.value for verdict, letter in LETTERS.items()},
        "metrics": {
            name: {
                "title": metric.title,
                "counters": metric.counters,
                "words": {LETTERS[verdict]: metric.word(verdict) for verdict in Verdict},
            }
            for name, metric in METRICS.items()
        },
        "runs": [_data_of_run(run) for run in runs],
    }


def _data_of_run(run: Run) -> dict[str, Any]:
    rows = [row for each in run.workloads for case in each.cases for row in case.rows]
    metrics = dict.fromkeys(m.name for each in run.workloads for m in each.metrics)
    return {
        "name": run.name,
        "head": run.head,
        "backends": list(dict.fromkeys(row.backend for row in rows)),
        "models": run.models,
        "languages": list(dict.fromkeys(row.language for row in rows)),
        "metrics": [name for name in METRICS if name in metrics],
        "workloads": [
            {
                **data_of(each),
                "short": {metric.name: each.short(metric) for metric in each.metrics},
                "traced": _traced(each),
            }
            for each in run.workloads
        ],
    }


def _traced(workload: Workload) -> dict[str, list[float | None]]:
    return {
        row.series.name: [row.series.median_of(name) for name in ("concurrency", "parallelism")]
        for case in workload.cases
        for row in case.rows
        if row.series.by_block
    }
