"""What was not measured, in one line a case."""

from overlap.show.brief import WIDTH
from overlap.show.grid import plain
from overlap.show.run_page import build_tables
from overlap.show.test_run_page import records_of, row, sample


def skipped(name, words):
    return row(name, skip=words)


def test_a_case_has_one_line_for_what_was_not_measured():
    rows = [row("gather/a/x"), skipped("gather/a/y", "would take 500 s")]
    rows += [skipped("gather/a/z", "would take 20 s"), skipped("gather/a/v", "limit: 3 tasks")]
    rows += [skipped(f"gather/b/{backend}", "left out of quick: slow") for backend in "xyz"]
    records = records_of(rows, [sample("gather/a/x", 0)])
    (table,) = build_tables(records, brief=True)
    assert [line.name for line in table.lines] == ["x", "3 others"]
    words = "2 would take too long, 1 more tasks than can be had at once"
    assert table.lines[1].words == words and "b: 3 left out" in table.notes
    (whole,) = build_tables(records)
    assert len(whole.lines) == 5 and "would take 500 s" in "\n".join(plain(whole))


def test_a_single_row_that_was_not_measured_says_why_itself():
    rows = [row("gather/a/x"), skipped("gather/a/y", "would take 500 s")]
    (table,) = build_tables(records_of(rows, [sample("gather/a/x", 0)]), brief=True)
    assert (table.lines[1].name, table.lines[1].words) == ("y", "would take 500 s")
    assert max(len(line) for line in plain(table)) <= WIDTH
