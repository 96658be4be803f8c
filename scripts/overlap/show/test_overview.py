import re

import pytest

from overlap.base.exits import UsageError
from overlap.commands import report
from overlap.testing.fake_records import edit, write_records
from overlap.records.files import read_records
from overlap.show.overview import overview

FIGURES = "gather/a:wall,gather/b:cpu"


@pytest.fixture
def path(tmp_path):
    ratios = {"thread_pool": 2.0, "floor": 0.5, "broken": 1.0}
    words = {"broken": "limit: no memory"}
    return write_records(
        tmp_path / "r.jsonl", ratios, cases=("gather/a", "gather/b"), spread=0.0, words=words
    )


def test_a_line_for_each_backend_grouped_by_model_and_none_for_the_placebo(path):
    table = overview(read_records(path), FIGURES).splitlines()
    assert table[0] == ("| backend | model | gather/a: wall time | gather/b: CPU time per task |")
    names = [line.split(" | ")[0].removeprefix("| ") for line in table[2:]]
    assert names == ["floor", "coroutine:uring", "thread_pool", "broken"]


def test_cells_are_medians_or_the_words_that_stand_for_them(path):
    records = read_records(path)
    walls = sorted(
        sample["counters"]["wall_s"]
        for sample in records.samples
        if sample["row"] == "gather/a/thread_pool"
    )
    middle = (walls[14] + walls[15]) / 2
    table = overview(records, "gather/a:wall")
    assert f"| thread_pool | threads | {middle * 1e3:.2f} ms |" in table
    assert "| broken | other | limit: no memory |" in table
    twice = overview(records, "gather/a:wall,gather/a:cpu")
    assert "| broken | other | limit: no memory |  |" in twice


def test_what_was_not_measured_is_a_dash(path):
    assert "| floor | floor | – |" in overview(read_records(path), "gather/a:memory")


def test_a_backend_that_a_case_does_not_have_is_a_dash(path):
    def without(record):
        if record["kind"] == "head":
            rows = [row for row in record["rows"] if row["row"] != "gather/b/floor"]
            return [record | {"rows": rows}]
        return [] if record["row"] == "gather/b/floor" else [record]

    table = overview(read_records(edit(path, without)), "gather/b:wall,gather/a:wall")
    assert re.search(r"\| floor \| floor \| – \| \d+ µs \|", table)


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ("gather/c:wall", "expected a case, one of gather/a, gather/b"),
        ("gather/a", "expected a metric after gather/a:"),
        ("gather/a:speed", "expected a metric after gather/a:"),
        ("", "expected a case"),
    ],
)
def test_an_unknown_case_or_metric_is_refused(path, figures, expected):
    with pytest.raises(UsageError, match=expected):
        overview(read_records(path), figures)


def test_the_command_prints_it(path, capsys):
    assert report.main(["--overview", FIGURES, str(path)]) == 0
    assert "| thread_pool | threads |" in capsys.readouterr().out
    assert report.main(["--overview", "gather/c:wall", str(path)]) == 2
    assert "expected a case" in capsys.readouterr().err
