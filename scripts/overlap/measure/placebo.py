"""The placebo: the reference backend once more under another name, one row a case.

Two rows that differ in nothing but their names show how far apart equal things come out on this
machine: the noise floor, below which no difference means anything.
"""

from collections.abc import Sequence
from dataclasses import replace

from overlap.records.rows import Row

PLACEBO = "placebo"
# The first of these that a case can be measured on is what the others are compared with.
REFERENCES = ("coroutine:uring", "coroutine:epoll", "coroutine:poll", "sequential")


def reference_of(rows: Sequence[Row]) -> Row | None:
    """The reference among the rows of one case, or None if none of them can be one."""
    measurable = {row.backend: row for row in rows if not row.skip}
    return next((measurable[name] for name in REFERENCES if name in measurable), None)


def with_placebos(rows: Sequence[Row]) -> list[Row]:
    """The rows, and after those of each case its placebo, where the case has a reference."""
    cases: dict[str, list[Row]] = {}
    for row in rows:
        cases.setdefault(row.case_name, []).append(row)
    result: list[Row] = []
    for name, of_case in cases.items():
        result += of_case
        if reference := reference_of(of_case):
            again = {"row": f"{name}/{PLACEBO}", "backend": PLACEBO}
            result.append(replace(reference, placebo_of=reference.backend, **again))
    return result
