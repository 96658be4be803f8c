"""What was measured, without any judgement, as a page shows it: the head line of a run, or the
medians of one case."""

from overlap.base.exits import UsageError
from overlap.base.units import NOT_MEASURED
from overlap.records.files import Records
from overlap.show.run_page import head_line
from overlap.show.tables import Table, build_tables
from overlap.show.verdict_page import markdown_table

HEAD = "head"
LEFT_OUT = ("min–max", "verified")  # A page has no room for them; ./scripts/run --from has.


def measured(records: Records, what: str) -> str:
    """`what` is a case, or "head". Raises UsageError if the records hold no such case."""
    if what == HEAD:
        return head_line(records) + "\n"
    for table in build_tables(records):
        for case in table.cases:
            if what == f"{table.workload}/{case}":
                return "\n".join(_lines(table, case)) + "\n"
    known = [f"{t.workload}/{case}" for t in build_tables(records) for case in t.cases]
    raise UsageError(f"--measured {what!r}: expected {HEAD} or one of {', '.join(known)}")


def _lines(table: Table, case: str) -> list[str]:
    lines = table.cases[case]
    shown = [
        index
        for index, column in enumerate(table.columns)
        if column.header not in LEFT_OUT
        and any(line.cells and line.cells[index] != NOT_MEASURED for line in lines)
    ]
    rows = [["backend", *(table.columns[i].header for i in shown)]]
    for line in lines:
        words = [line.words, *[""] * (len(shown) - 1)]
        rows.append([line.backend, *([line.cells[i] for i in shown] if line.cells else words)])
    return markdown_table(rows, [True, *(False for _ in shown)])
