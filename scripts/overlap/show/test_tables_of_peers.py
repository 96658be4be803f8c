"""Rows of peers as tables, pages and comparisons show them."""

import json
import re

import pytest

from overlap.commands import compare
from overlap.records.rows import Row
from overlap.show.run_page import build_tables, measured
from overlap.show.test_run_page import records_of, row, sample


def peer_row(name, model, version, skip=""):
    return row(name, skip=skip) | {"language": "Moon", "model": model, "version": version}


@pytest.fixture
def with_peers():
    rows = [
        row("gather/a/floor"),
        row("gather/a/sequential"),
        row("gather/a/coroutine:uring"),
        row("gather/a/fiber:uring"),
        row("gather/a/process_pool"),
        row("gather/a/of_my_own"),
        peer_row("gather/a/moonloop", "event loop", "moonloop 2, Moon 1"),
        peer_row("gather/a/moonfibers", "fibers", "Moon 1"),
        peer_row("gather/a/away", "threads", "", skip="skipped: needs moon-dev"),
    ]
    samples = [sample(each["row"], 0, wall_s=0.1) for each in rows[:-1]]
    samples[6]["counters"] |= {"startup_s": 0.05, "peak_memory_bytes": 2e8}
    return records_of(rows, samples)


def test_a_table_with_peers_is_grouped_by_model(with_peers):
    (table,) = build_tables(with_peers)
    lines = {line.name: line.cells[1:] for line in table.lines}
    assert list(lines) == [
        *("floor", "sequential", "coroutine:uring", "moonloop"),
        *("fiber:uring", "moonfibers", "process_pool", "of_my_own"),
    ]
    headers = [column.header for column in table.columns[1:]]
    assert headers[:4] == ["model", "language", "version", "start-up"]
    assert lines["moonloop"][headers.index("peak memory")] == "200 MB"
    assert lines["moonloop"][:4] == ["event loop", "Moon", "moonloop 2, Moon 1", "50.0 ms"]
    assert lines["fiber:uring"][:4] == ["fibers", "C++", "this suite", "–"]
    assert lines["of_my_own"][0] == "other"


def test_a_page_has_one_case_of_all_runtimes_with_what_a_task_takes(with_peers):
    lines = measured(with_peers, "gather/a").splitlines()
    assert lines[0].startswith("| backend | model | language | version | start-up | wall | ")
    assert "peak memory" in lines[0]
    (of_moonloop,) = [line for line in lines if line.startswith("| moonloop |")]
    assert "| event loop | Moon | moonloop 2, Moon 1 | 50.0 ms | 100 ms |" in of_moonloop


@pytest.mark.parametrize("style", ["terminal", "markdown"])
def test_a_comparison_with_peers_is_grouped_by_model(with_peers, tmp_path, capsys, style):
    path = tmp_path / "run.jsonl"
    records = [{"kind": "head", "format": 1, "seed": 1, **with_peers.head}]
    for record in with_peers.samples:
        workload, case, backend = record["row"].split("/")
        names = {"workload": workload, "case": case, "backend": backend}
        records.append({**record, **names, "duration_s": 0.1})
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert compare.main([str(path), "--baseline", "floor", "--format", style]) == 0
    said = capsys.readouterr().out
    names = ("floor", "sequential", "coroutine:uring", "moonloop", "fiber:uring", "of_my_own")
    found = re.findall(rf"^(?:\| )?({'|'.join(names)}) ", said, re.MULTILINE)
    assert tuple(found) == names
    assert re.search(r"^(\| )?moonloop +(\| )?event loop ", said, re.MULTILINE)


def test_a_peer_that_is_absent_is_named_once_with_what_it_needs(with_peers):
    with_peers.head["rows"].append(
        peer_row("gather/b/away", "threads", "", skip="skipped: needs moon-dev")
    )
    (table,) = build_tables(with_peers)
    notes = [note for note in table.notes if "away" in note]
    assert notes == ["away (Moon) skipped: needs moon-dev"]


def test_without_peers_a_table_says_nothing_of_models():
    records = records_of([row("gather/a/floor")], [sample("gather/a/floor", 0, wall_s=0.1)])
    assert build_tables(records)[0].columns[1].header == "wall"


def test_rows_of_peers_survive_the_record():
    told = peer_row("gather/a/moonloop", "event loop", "moonloop 2")
    assert Row.from_record(told).to_record() == told
    assert "model" not in Row.from_record(row("gather/a/floor")).to_record()
