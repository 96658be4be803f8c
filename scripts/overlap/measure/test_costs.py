import gzip
import json

from overlap.measure.costs import START_S, UNKNOWN_S, Costs, record_files
from overlap.records.rows import Row


def row(name, expected_s=0.0, placebo_of=""):
    workload, case, backend = name.split("/")
    return Row(name, workload, case, backend, 1, "task", expected_s, "", placebo_of)


def write(path, durations, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [{"kind": "head"}] + [
        {"kind": "sample", "row": "gather/a/x", "block": 0, "duration_s": duration, **more}
        for duration in durations
    ]
    path.write_text(
        "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines) + "garbage\n"
    )
    return path


def test_a_known_row_costs_the_median(tmp_path):
    costs = Costs([write(tmp_path / "run.jsonl", [1.0, 5.0, 2.0])])
    assert costs.knows(row("gather/a/x")) and costs.of(row("gather/a/x")) == 2.0
    assert costs.of(row("gather/a/placebo", placebo_of="x")) == 2.0


def test_the_first_file_that_knows_a_row_counts(tmp_path):
    files = [tmp_path / "absent.jsonl", write(tmp_path / "a.jsonl", [3.0])]
    assert Costs([*files, write(tmp_path / "b.jsonl", [9.0])]).of(row("gather/a/x")) == 3.0


def test_failures_cost_nothing_known(tmp_path):
    assert not Costs([write(tmp_path / "a.jsonl", [60.0], error="timeout")]).knows(
        row("gather/a/x")
    )


def test_unknown_rows_are_taken_at_their_own_guess():
    assert Costs().of(row("sleeps/a/x", expected_s=2.0)) == 2.0 + START_S
    assert Costs().of(row("gather/a/x")) == UNKNOWN_S
    assert [r.expected_s for r in Costs().apply([row("gather/a/x")])] == [UNKNOWN_S]


def test_own_runs_come_before_kept_ones(tmp_path):
    names = ["local/1.jsonl", "local/2.jsonl", "box/kept.jsonl"]
    paths = [write(tmp_path / name, [1.0]) for name in names]
    assert record_files(tmp_path) == [paths[1], paths[0], paths[2]]


def test_kept_records_are_read_through_gzip(tmp_path):
    plain = write(tmp_path / "machine" / "run.jsonl", [3.0])
    packed = plain.with_suffix(".jsonl.gz")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    assert record_files(tmp_path) == [packed]
    assert Costs(record_files(tmp_path)).of(row("gather/a/x")) == 3.0
