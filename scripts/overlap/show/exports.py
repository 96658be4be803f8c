"""Comparisons for programs: JSON, and CSV with a line a cell. Ratios are plain numbers there, and
what is not known is null or empty."""

import csv
import io
import json
import math
from typing import Any

from overlap.judge.comparison import Case, Cell, Comparison
from overlap.judge.metrics import ratio_of

PLACES = ("file", "commit", "machine", "profile")


def cell_fields(cell: Cell, comparison: Comparison) -> dict[str, Any]:
    """results/README.md describes the fields."""
    series, judged = cell.series, cell.verdict is not None
    fields: dict[str, Any] = {
        "case": series.case,
        "backend": series.backend,
        **{place: series.places[place] for place in PLACES},
        "value": series.middle(),
        "words": cell.words or None,
        "baseline": cell.baseline.backend if cell.baseline else None,
        "baseline_file": cell.baseline.places["file"] if cell.baseline else None,
        "baseline_value": cell.baseline.middle() if cell.baseline else None,
        "how": cell.how.value if judged else None,
        "blocks": cell.n if judged else None,
    }
    bounds = {
        "ratio": cell.centre,
        "low_95": cell.low,
        "high_95": cell.high,
        "low_90": cell.inner[0],
        "high_90": cell.inner[1],
    }
    fields |= {name: ratio_of(value) if judged else None for name, value in bounds.items()}
    word = comparison.question.metric.word(cell.verdict) if cell.verdict else None
    return fields | {
        "p": cell.p if judged else None,
        "verdict": word,
        "more_blocks": cell.more_blocks,
        "tier": cell.tier,
        "depends_on_contaminated": cell.depends_on_dirty if judged else None,
    }


def _case_fields(case: Case, comparison: Comparison) -> dict[str, Any]:
    noise = case.noise
    return {
        "case": case.name,
        "noise_floor": _excess(noise.floor),
        "smallest_visible": _excess(noise.visible),
        "margin": _excess(noise.margin()),
        "unstable": noise.unstable,
        "placebos": case.placebos,
        "cells": [cell_fields(cell, comparison) for cell in case.cells],
    }


def _excess(logarithm: float | None) -> float | None:
    """How far a ratio is from 1, as a share: 0.05 for 5%."""
    return None if logarithm is None else math.expm1(logarithm)


def to_json(comparison: Comparison) -> str:
    content = {
        "metric": comparison.question.metric.name,
        "along": comparison.question.place,
        "files": [
            {
                "path": str(source.path),
                **source.places,
                "blocks": source.blocks,
                "samples": source.samples,
                "contaminated": source.contaminated,
                "paired": source.paired,
            }
            for source in comparison.sources
        ],
        "notes": [note for source in comparison.sources for note in source.notes],
        "cases": [_case_fields(case, comparison) for case in comparison.cases],
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_csv(comparison: Comparison) -> str:
    rows = [cell_fields(cell, comparison) for case in comparison.cases for cell in case.cells]
    noise = {case.name: case.noise for case in comparison.cases}
    for row in rows:
        row["noise_floor"] = _excess(noise[row["case"]].floor)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["case"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
