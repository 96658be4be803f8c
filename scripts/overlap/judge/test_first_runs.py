"""Which runs figures are of, and when the first run in a process stands beside the later ones."""

import pytest

from overlap.commands import report
from overlap.commands.compare import main
from overlap.judge.first_runs import first_run, is_of_first_run, which_runs
from overlap.judge.metrics import METRICS
from overlap.judge.series import from_records
from overlap.records.files import read_records
from overlap.show.run_page import build_tables
from overlap.testing.fake_records import REFERENCE, edit, write_records

BACKENDS = {"fiber:uring": 1.0, "thread_pool": 1.0}
COLD = {
    "fiber:uring": 3.0,
    "thread_pool": 1.04,
    REFERENCE: 0.9,
    "placebo": 0.9,
}  # Times what later runs take.


def write(path, later_runs):
    """A run whose first runs take COLD times as long as later ones, in blocks that drift."""

    def with_first(record):
        if record["kind"] == "sample":
            counters, factor = record["counters"], COLD.get(record["backend"], 1.0)
            counters["later_runs"] = later_runs
            if later_runs:
                counters["cold_wall_s"] = factor * counters["wall_s"]
                counters["cold_cpu_per_task_s"] = counters["cpu_per_task_s"]
            else:
                counters["cold_wall_s"] = counters["wall_s"]
                counters["cold_cpu_per_task_s"] = counters["cpu_per_task_s"]
        return [record]

    return edit(write_records(path, BACKENDS), with_first)


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "run.jsonl", 2)


def rows_of(path):
    return {row.backend: row for row in from_records(read_records(path)).series}


def test_a_first_run_is_told_where_it_differs_by_more_than_the_margin(path):
    rows, wall = rows_of(path), METRICS["wall"]
    fiber = rows["fiber:uring"]
    assert first_run(fiber, wall) == pytest.approx(3 * fiber.seen_by(wall).middle(), rel=0.05)
    assert first_run(rows["thread_pool"], wall) is None
    assert first_run(rows[REFERENCE], wall) < rows[REFERENCE].seen_by(wall).middle()
    assert first_run(fiber, METRICS["cpu"]) is None
    assert first_run(fiber, METRICS["cold"]) is None and first_run(fiber, METRICS["C"]) is None
    assert not is_of_first_run(fiber)
    assert [s.split(";")[0] for s in which_runs(list(rows.values()))] == [
        "wall and CPU time are those of later runs in a process"
    ]


def test_samples_without_a_later_run_are_called_what_they_are(tmp_path):
    rows = rows_of(write(tmp_path / "run.jsonl", 0))
    assert is_of_first_run(rows["fiber:uring"])
    assert first_run(rows["fiber:uring"], METRICS["wall"]) is None
    assert which_runs(list(rows.values())) == [
        "of the first run in a process, since samples have no other: gather/a"
    ]


def test_records_that_do_not_say_are_read_as_before(tmp_path):
    path = write_records(tmp_path / "run.jsonl", BACKENDS)
    rows = rows_of(path)
    assert which_runs(list(rows.values())) == [] and not is_of_first_run(rows["thread_pool"])
    assert first_run(rows["thread_pool"], METRICS["wall"]) is None
    (table,) = build_tables(read_records(path))
    assert not any(column.header.startswith("first run") for column in table.columns)


def test_every_table_names_the_runs_and_shows_both(path, capsys):
    (table,) = build_tables(read_records(path))
    at = [column.header for column in table.columns].index("first run: wall / CPU")
    cells = {line.name: line.cells[at] for line in table.lines}
    assert cells["fiber:uring"].endswith(" ms / =") and cells["thread_pool"] == "="
    assert table.notes[0].startswith("wall and CPU time are those of later runs")

    assert main([str(path), "--format", "markdown"]) == 0
    printed = capsys.readouterr().out
    assert "| backend | wall | first run | ratio |" in printed
    assert "are those of later runs in a process" in printed
    assert main([str(path), "--format", "markdown", "--metric", "cpu"]) == 0
    assert "| backend | cpu | ratio |" in capsys.readouterr().out

    assert report.main(["--overview", "gather/a:wall", str(path)]) == 0
    printed = capsys.readouterr().out
    assert printed.count("(first run ") == 2  # fiber:uring's and the reference's.


def test_first_runs_are_compared_as_anything_is(path, capsys):
    assert main([str(path), "--metric", "cold", "--format", "csv"]) == 0
    lines = {line.split(",")[1]: line for line in capsys.readouterr().out.splitlines()}
    assert ",slower," in lines["fiber:uring"] and ",slower," in lines["thread_pool"]
