"""Google Benchmark's JSON: what it writes is read, and what is written is what it reads."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from overlap.commands.compare import main
from overlap.testing.fake_records import write_records
from overlap.records.google_benchmark import is_result, read_result

COMPARE_PY = Path("/usr/share/benchmark/compare.py")  # Of Debian's libbenchmark-tools.
TRUTH = {"floor": 0.5, "pool": 3.0}


def entry(name, real_time, unit="us", **fields):
    common = {"name": name, "run_name": name, "run_type": "iteration", "iterations": 10}
    times = {"real_time": real_time, "cpu_time": real_time / 2, "time_unit": unit}
    return {**common, "threads": 1, **times, **fields}


def written(path, entries):
    path.write_text(json.dumps({"context": {"host_name": "here"}, "benchmarks": entries}))
    return path


def repetitions(path, levels, runs=20, seed=1):
    generator = np.random.default_rng(seed)
    times = {
        name: level * np.exp(generator.normal(0, 0.02, runs)) for name, level in levels.items()
    }
    return written(path, [entry(name, t) for name, of_name in times.items() for t in of_name])


def compared(capsys, *arguments, status=0):
    assert main([*map(str, arguments), "--format", "json"]) == status
    content = json.loads(capsys.readouterr().out)
    return [cell for case in content["cases"] for cell in case["cells"] if cell["verdict"]]


def test_times_come_in_seconds_and_counters_as_they_are(tmp_path):
    entries = [
        entry("BM_a/8", 2.0, bytes_per_task=144.0),
        entry("BM_a/8", 3.0, "ms"),
        entry("BM_a/8", 9.0, run_type="aggregate", aggregate_name="mean"),
        entry("BM_b", 5.0, run_type="aggregate", aggregate_name="median"),
        {"name": "BM_c", "error_occurred": True, "error_message": "no\nring"},
    ]
    result = read_result(written(tmp_path / "a.json", entries).read_bytes())
    first, second = result.repetitions["BM_a/8"]
    assert first == {"wall_s": 2e-6, "cpu_s": 1e-6, "bytes_per_task": 144.0}
    assert second["wall_s"] == pytest.approx(3e-3)
    assert result.repetitions["BM_b"][0]["wall_s"] == pytest.approx(5e-6)
    assert result.errors == {"BM_c": "failed: no ring"}


def test_two_results_are_compared_unpaired_and_it_says_so(capsys, tmp_path):
    before = repetitions(tmp_path / "before.json", {"BM_a/8": 10, "BM_b": 20})
    after = repetitions(tmp_path / "after.json", {"BM_a/8": 12, "BM_b": 20}, seed=2)
    slower, same = compared(capsys, before, after)
    assert (slower["case"], slower["verdict"], slower["how"]) == ("BM_a/8", "slower", "unpaired")
    assert slower["low_95"] <= 1.2 <= slower["high_95"] and same["verdict"] == "same"
    assert main([str(before), str(after), "--fail-if", "slower:5%"]) == 1
    text = capsys.readouterr().out
    assert "Google Benchmark's JSON, without blocks: unpaired" in text


def test_one_result_with_our_names_compares_its_backends(capsys, tmp_path):
    path = repetitions(tmp_path / "a.json", {"gather/a/floor": 10, "gather/a/pool": 30})
    (cell,) = compared(capsys, path, "--metric", "cpu")
    assert (cell["backend"], cell["baseline"], cell["verdict"]) == ("pool", "floor", "slower")


def test_one_result_with_other_names_has_nothing_to_compare(capsys, tmp_path):
    assert main([str(repetitions(tmp_path / "a.json", {"BM_a": 10, "BM_b": 30}))]) == 2
    assert "nothing to compare" in capsys.readouterr().err


def test_a_result_may_be_compared_with_records(capsys, tmp_path):
    records = write_records(tmp_path / "run.jsonl", TRUTH, level=1e-3)
    result = repetitions(tmp_path / "now.json", {"gather/a/pool": 9000.0})
    (cell,) = compared(capsys, records, result)
    assert (cell["backend"], cell["verdict"], cell["how"]) == ("pool", "slower", "unpaired")


@pytest.mark.parametrize("content", ['{"benchmarks": [{}]}', '{"benchmarks": [3]}', "{"])
def test_damaged_results_are_refused(capsys, tmp_path, content):
    path = tmp_path / "a.json"
    path.write_text(content)
    assert main([str(path)]) == 2
    assert "expected an object with a list `benchmarks`" in capsys.readouterr().err
    path.write_text(json.dumps({"benchmarks": [entry("a", 1.0, unit="fortnight")]}))
    assert main([str(path)]) == 2 and "unknown time_unit" in capsys.readouterr().err


def exported(capsys, records):
    assert main([str(records), "--format", "gbench"]) == 0
    path = records.with_suffix(".json")
    path.write_text(capsys.readouterr().out)
    return path


def test_what_is_written_is_read_again(capsys, tmp_path):
    records = write_records(tmp_path / "run.jsonl", TRUTH, words={"floor": "limit: 3 processes"})
    path = exported(capsys, records)
    assert is_result(path.read_bytes()) and not is_result(records.read_bytes())
    result = read_result(path.read_bytes())
    assert result.errors == {"gather/a/floor": "limit: 3 processes"}
    assert len(result.repetitions["gather/a/pool"]) == 30
    assert set(result.repetitions["gather/a/pool"][0]) >= {"wall_s", "cpu_s", "parallelism"}


def test_google_benchmarks_own_compare_py_works_on_what_is_written(capsys, tmp_path):
    words = {"floor": "limit: 3 processes"}  # A row without a number must not upset it.
    before = exported(capsys, write_records(tmp_path / "before.jsonl", TRUTH, words=words))
    now = write_records(tmp_path / "after.jsonl", TRUTH, words=words, level=2e-3)
    after = exported(capsys, now)
    command = [sys.executable, COMPARE_PY, "--no-color", "benchmarks", before, after]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    lines = [line.split() for line in ran.stdout.splitlines()]
    (overall,) = [line for line in lines if line and line[0] == "OVERALL_GEOMEAN"]
    assert float(overall[1]) == pytest.approx(1.0, abs=0.01)  # Twice as long: 100% more.
    (test,) = [line for line in lines if line and line[0] == "gather/a/pool_pvalue"]
    assert float(test[1]) < 0.05 and "Repetitions: 30 vs 30" in ran.stdout


TEXT = json.dumps({"context": {}, "benchmarks": [entry("BM_a", 2.0)]}, indent=1)


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        f"Running ./b\nCPU scaling is enabled\n{TEXT}".encode(),
        f"[{TEXT}]".encode(),
        json.dumps({"context": {"kind": "nightly"}, "benchmarks": [entry("BM_a", 2.0)]}).encode(),
    ],
)
def test_results_are_known_whatever_they_are_written_in(content):
    assert is_result(content)
    assert read_result(content).repetitions == {"BM_a": [{"wall_s": 2e-6, "cpu_s": 1e-6}]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (f"{TEXT}\n{TEXT}", "a second result begins; expected one a file"),
        ("[" * 100_000, "nested too deep"),
        ('{"benchmarks": [\n{"name": "BM_RMS", "rms": 2%}]}', "line 2 is no JSON"),
        ('{"benchmarks": [{"name": "copy", "states": []}]}', "another tool's JSON"),
        ("{}", "no `benchmarks`"),
    ],
)
def test_what_cannot_be_read_is_one_clear_line(content, words):
    with pytest.raises(ValueError, match=words) as found:
        read_result(content.encode())
    assert "\n" not in str(found.value)


def test_a_number_of_hundreds_of_digits_is_none(tmp_path):
    entries = [entry("BM_a", 2.0, huge=10**400)]
    (counters,) = read_result(written(tmp_path / "a.json", entries).read_bytes()).repetitions[
        "BM_a"
    ]
    assert counters["huge"] == float("inf")


def old(name, real_time):
    """As until version 1.4."""
    return {
        "name": name,
        "iterations": 9,
        "real_time": real_time,
        "cpu_time": 1.0,
        "time_unit": "ns",
    }


def test_aggregates_of_old_results_are_no_benchmarks():
    names = ["BM_a", "BM_a", "BM_a_mean", "BM_a_median", "BM_a_stddev"]
    entries = [old(name, 1.0) for name in names]
    entries += [
        {"name": "BM_a_BigO", "cpu_coefficient": 1.0, "big_o": "N"},
        {"name": "BM_a_RMS", "rms": 1},
    ]
    found = read_result(json.dumps({"benchmarks": entries}).encode())
    assert {name: len(each) for name, each in found.repetitions.items()} == {"BM_a": 2}


def test_a_mean_stands_for_what_is_not_there():
    mean = entry("BM_a", 2.0, run_type="aggregate", aggregate_name="mean")
    assert read_result(json.dumps({"benchmarks": [mean]}).encode()).repetitions["BM_a"]


def test_what_is_skipped_is_no_number_and_no_fault(capsys, tmp_path):
    before = repetitions(tmp_path / "before.json", {"BM_gpu": 1.0, "BM_cpu": 1.0})
    after = repetitions(tmp_path / "after.json", {"BM_cpu": 1.0})
    content = json.loads(after.read_text())
    skip = {"skipped": True, "skip_message": "no GPU here"}
    content["benchmarks"] += [entry("BM_gpu", 0.0, **skip) for _ in range(20)]
    after.write_text(json.dumps(content))
    (cell,) = compared(capsys, before, after, "--fail-if", "slower:5%")
    assert cell["case"] == "BM_cpu"
    assert main([str(before), str(after)]) == 0
    assert "skipped: no GPU here" in capsys.readouterr().out


def test_one_failed_repetition_of_many_is_told_and_fails(capsys, tmp_path):
    before = repetitions(tmp_path / "before.json", {"BM_a": 1.0})
    after = repetitions(tmp_path / "after.json", {"BM_a": 1.0})
    content = json.loads(after.read_text())
    content["benchmarks"][3] |= {"error_occurred": True, "error_message": "differs"}
    after.write_text(json.dumps(content))
    assert main([str(before), str(after), "--fail-if", "slower:5%"]) == 4
    assert "BM_a: 1 of 20 repetitions: failed: differs" in capsys.readouterr().out


def test_what_makes_two_results_unlike_is_noted(capsys, tmp_path):
    first = repetitions(tmp_path / "first.json", {"BM_a": 1.0})
    second = repetitions(tmp_path / "second.json", {"BM_a": 1.0})
    content = json.loads(second.read_text())
    content["context"] = {"host_name": "there", "library_build_type": "debug"}
    second.write_text(json.dumps(content))
    assert main([str(first), str(second)]) == 0
    said = capsys.readouterr().out
    assert "second.json: its Google Benchmark is a debug build" in said
    assert "measured on different machines: here, there" in said


def test_a_compressed_file_is_read_as_what_it_holds(capsys, tmp_path):
    plain = repetitions(tmp_path / "plain.json", {"BM_a": 1.0})
    packed = tmp_path / "packed.json.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    (cell,) = compared(capsys, plain, packed)
    assert cell["ratio"] == pytest.approx(1.0)
    packed.write_bytes(packed.read_bytes()[:-9])
    assert main([str(plain), str(packed)]) == 2
    assert "cannot be decompressed" in capsys.readouterr().err


def test_less_than_a_nanosecond_has_a_unit_of_its_own(capsys, tmp_path):
    first = repetitions(tmp_path / "first.json", {"BM_a": 1.8e-6})
    second = repetitions(tmp_path / "second.json", {"BM_a": 2.2e-6})
    assert main([str(first), str(second)]) == 0
    assert " ps" in capsys.readouterr().out
