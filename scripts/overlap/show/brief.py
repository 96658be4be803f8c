"""What a table says of rows that were not to be measured, in one line a case: `scripts/run -v` lists them."""

import re
from collections import Counter
from collections.abc import Sequence

from overlap.judge.series import Series

WIDTH = 100  # Characters that people read at a glance.
# By how the words of a row begin.
KINDS = {
    "left out": "left out",
    "would take": "would take too long",
    "limit": "more tasks than can be had at once",
    "not available": "not available",
    "skipped": "not installed",
    "no workload": "without this workload",
}
# Notes on single rows that change no figure.
DETAILS = re.compile(r"^\S+: (in \d+ blocks? only: |\S+ once more under another name, )")


def _counted(rows: Sequence[Series]) -> str:
    found = Counter(
        next((words for start, words in KINDS.items() if row.row.skip.startswith(start)), "skipped")
        for row in rows
    )
    return ", ".join(f"{number} {words}" for words, number in found.items())


def not_run(of_case: Sequence[Series]) -> list[tuple[list[str], str]]:
    """The name and the words of one line for all rows of a case that were not to be measured."""
    rows = [row for row in of_case if row.row.skip and not row.placebo_of]
    if not rows:
        return []
    if len(rows) == 1:
        return [([rows[0].backend], rows[0].row.skip)]
    return [([f"{len(rows)} others"], _counted(rows))]


def not_run_at_all(case: str, of_case: Sequence[Series]) -> list[str]:
    """A note on a case that has no line."""
    backends = [row for row in of_case if not row.placebo_of]
    return [f"{case}: {_counted(backends)}"] if backends else []


def briefly(notes: Sequence[str]) -> list[str]:
    """Without the details of single rows, whose number one note has."""
    kept = [note for note in notes if not DETAILS.match(note)]
    fewer = sum(" only: " in note and bool(DETAILS.match(note)) for note in notes)
    if fewer:
        rows = "row was" if fewer == 1 else "rows were"
        kept.append(
            f"{fewer} {rows} measured in fewer blocks than others, since they are slow (-v)"
        )
    return kept
