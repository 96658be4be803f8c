"""scripts/compare on several files."""

import gzip
import io
import json
import os
import re
import sys

import pytest

from overlap.testing.fake_records import REFERENCE, SPECIFICATION, write_records

from overlap.commands.test_compare import TRUTH, cells, refused, said


@pytest.fixture
def run(tmp_path):
    return write_records(tmp_path / "run.jsonl", TRUTH)


@pytest.fixture
def two_runs(tmp_path):
    before = write_records(tmp_path / "before.jsonl", TRUTH, seed=1, commit="1" * 40)
    slowed = {**TRUTH, "pool": 3.3}
    # The machine is twice as slow by now, which is nobody's fault.
    after = write_records(tmp_path / "after.jsonl", slowed, seed=2, level=2e-3, commit="2" * 40)
    return before, after


def test_runs_are_compared_through_their_reference(capsys, two_runs):
    content = json.loads(said(capsys, *two_runs, "--format", "json"))
    found = {c["backend"]: c for c in content["cases"][0]["cells"] if c["file"] == "after"}
    assert found["pool"]["verdict"] == "slower"
    assert found["pool"]["low_95"] <= 1.1 <= found["pool"]["high_95"]
    assert found["pool"]["how"] == "unpaired, through the reference of each run"
    assert [found[name]["verdict"] for name in ("floor", "fiber:uring")] == ["same", "same"]
    assert found[REFERENCE]["words"].startswith("the reference")
    text = said(capsys, *two_runs)
    assert "unpaired, through the reference" in text
    assert re.search(r"^pool +[\d.]+ ms +[\d.]+ ms +1\.\d+ .*▲ slower$", text, re.M)


def test_a_regression_sets_the_exit_code(capsys, two_runs):
    said(capsys, *two_runs, "--fail-if", "slower:5%", status=1)
    said(capsys, *two_runs, "--fail-if", "slower:20%", status=0)
    said(capsys, *two_runs, "--fail-if", "faster:5%", status=0)
    said(capsys, *reversed(two_runs), "--fail-if", "faster", status=1)
    said(capsys, *two_runs, "--filter", "fiber", "--fail-if", "slower:5%", status=0)


def test_a_size_below_the_margin_is_looked_for_too(capsys, tmp_path):
    path = write_records(tmp_path / "run.jsonl", {"fiber:uring": 1.03}, spread=0.005)
    assert cells(capsys, path)["fiber:uring"]["verdict"] == "differs, less than matters"
    said(capsys, path, "--fail-if", "slower:2%", status=1)
    said(capsys, path, "--fail-if", "slower:5%", status=0)


def test_too_few_blocks_to_fail_are_no_success(capsys, tmp_path):
    path = write_records(tmp_path / "run.jsonl", TRUTH, blocks=3)
    said(capsys, path, "--fail-if", "slower:5%", status=3)
    said(capsys, path, status=0)
    before, after = (
        write_records(tmp_path / f"{i}.jsonl", TRUTH, blocks=2, seed=i) for i in (1, 2)
    )
    said(capsys, before, after, "--fail-if", "slower:5%", status=3)


@pytest.mark.parametrize("words", ["wrong: checksum 1 instead of 2", "crashed: Aborted (signal 6)"])
def test_wrong_results_come_before_any_speed(capsys, tmp_path, words):
    path = write_records(tmp_path / "run.jsonl", TRUTH, words={"floor": words})
    assert words in said(capsys, path, "--fail-if", "slower:5%", status=4)
    said(capsys, path, status=0)
    good = write_records(tmp_path / "good.jsonl", TRUTH, seed=2)
    said(capsys, good, path, "--fail-if", "slower:5%", status=4)
    said(capsys, path, good, "--fail-if", "slower:5%", status=0)


def test_a_case_whose_parameters_changed_is_not_compared(capsys, tmp_path):
    before = write_records(tmp_path / "before.jsonl", TRUTH, cases=("gather/a", "gather/b"))
    changed = SPECIFICATION.replace("fan_out = 1", "fan_out = 100")
    after = write_records(
        tmp_path / "after.jsonl", TRUTH, cases=("gather/a", "gather/b"), specification=changed
    )
    content = json.loads(said(capsys, before, after, "--format", "json"))
    of_case = {case["case"]: case["cells"] for case in content["cases"]}
    assert not any(cell["verdict"] for cell in of_case["gather/a"])
    assert any("parameters differ" in (cell["words"] or "") for cell in of_case["gather/a"])
    assert any(cell["verdict"] for cell in of_case["gather/b"])


def test_files_without_a_common_reference_are_not_compared(capsys, tmp_path):
    before = write_records(tmp_path / "a.jsonl", TRUTH)
    after = write_records(tmp_path / "b.jsonl", TRUTH, words={"floor": "limit: 3 processes"})
    assert cells(capsys, before, after, "--reference", "pool")["fiber:uring"]
    line = refused(capsys, before, after, "--reference", "floor", "--filter", "pool")
    assert "no common reference: floor was not measured in both files" in line


def test_backends_that_only_one_run_has_are_named(capsys, tmp_path):
    before = write_records(tmp_path / "before.jsonl", TRUTH)
    after = write_records(tmp_path / "after.jsonl", {"floor": 0.5, "new": 1.0})
    text = said(capsys, before, after)
    assert re.search(r"^pool .*only in the baseline$", text, re.M)
    assert re.search(r"^new .*nothing to compare with in before.jsonl$", text, re.M)


def test_commits_and_machines_are_places_too(capsys, two_runs, tmp_path):
    before, after = two_runs
    assert (
        cells(capsys, after, before, "--baseline", "commit=1111111")["pool"]["verdict"] == "slower"
    )
    other = write_records(tmp_path / "other.jsonl", TRUTH, host="there", seed=5)
    text = said(capsys, before, other, "--column", "machine", "--row", "backend")
    assert re.search(r"^gather/a\nbackend +here +there$", text, re.M)
    assert re.search(r"^pool +[\d.]+ ms += \d", text, re.M)


def test_a_file_may_be_compared_with_itself(capsys, run):
    content = json.loads(said(capsys, run, run, "--format", "json"))
    verdicts = {cell["verdict"] for cell in content["cases"][0]["cells"]}
    assert verdicts == {None, "same"} and len({f["file"] for f in content["files"]}) == 2


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_records_come_from_standard_input_too(capsys, monkeypatch, run, pack):
    from_file = said(capsys, run)
    piped = io.TextIOWrapper(io.BytesIO(pack(run.read_bytes())))
    monkeypatch.setattr(sys, "stdin", piped)
    assert said(capsys, "-") == from_file


def test_standard_input_can_be_one_of_two_runs(capsys, monkeypatch, two_runs):
    before, after = two_runs
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(before.read_bytes())))
    content = json.loads(said(capsys, "-", after, "--format", "json"))
    found = {
        c["backend"]: c["verdict"] for c in content["cases"][0]["cells"] if c["file"] == "after"
    }
    assert found["pool"] == "slower"


def test_a_terminal_or_nothing_at_all_is_no_record(capsys, monkeypatch, run):
    parent, child = os.openpty()
    with os.fdopen(parent, "wb"), open(child) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        assert "standard input is a terminal" in refused(capsys, "-")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(run.read_bytes())))
    assert "-:1: no head record" in refused(capsys, "-", "-")
