"""scripts/compare on Google Benchmark's JSON whose names and counters somebody else chose."""

import json

import numpy as np
import pytest

from overlap.commands.compare import main
from overlap.records.benchmark_names import BackendPart
from overlap.testing.fake_records import write_records


def result_of(path, levels, counters=None):
    """Twenty repetitions of each name around its level in microseconds; a counter has the value that is
    given for a name, or else the inverse of the time."""
    generator = np.random.default_rng(3)
    entries = []
    for name, level in levels.items():
        for time in level * np.exp(generator.normal(0, 0.01, 20)):
            entry = {"name": name, "run_name": name, "run_type": "iteration", "time_unit": "us"}
            entry |= {"real_time": time, "cpu_time": time, "items_per_second": 1e6 / time}
            entries.append(entry | (counters or {}).get(name, {}))
    path.write_text(json.dumps({"context": {"host_name": "here"}, "benchmarks": entries}))
    return path


def cells(capsys, *arguments):
    assert main([*map(str, arguments), "--format", "json"]) == 0
    content = json.loads(capsys.readouterr().out)
    found = [cell for case in content["cases"] for cell in case["cells"]]
    return {(cell["case"], cell["backend"]): cell["verdict"] for cell in found}


def refused(capsys, *arguments):
    try:
        assert main([str(each) for each in arguments]) == 2
    except SystemExit as error:
        assert error.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()[-1]


@pytest.mark.parametrize(
    "asked, name, expected",
    [
        ("_(tbb|libfork)", "fib_tbb/30", ("fib/30", "tbb")),
        ("tbb|libfork", "fib_libfork", ("fib", "libfork")),
        ("tbb|libfork", "tbb_fib/30", ("fib/30", "tbb")),
        (r"<(\w+)>", "BM_fib<tbb>/30", ("BM_fib/30", "tbb")),
        ("tbb|libfork", "tbb", ("benchmark", "tbb")),
        ("tbb|(libfork)", "fib_tbb", None),
        ("tbb", "fib_serial/30", None),
        ("1", "tbb/fib/30", ("fib/30", "tbb")),
        ("2", "fib/tbb/30", ("fib/30", "tbb")),
        ("3", "fib/tbb", None),
    ],
)
def test_a_part_of_a_name_is_the_backend_and_the_rest_the_case(asked, name, expected):
    assert BackendPart(asked).split(name) == expected


@pytest.mark.parametrize("asked", ["", "0", "99999", "(", "x*"])
def test_a_part_that_no_name_can_have_is_refused(capsys, tmp_path, asked):
    path = result_of(tmp_path / "a.json", {"fib_tbb": 10})
    assert "--backend-part" in refused(capsys, path, "--backend-part", asked)


def test_backends_within_names_are_compared_case_by_case(capsys, tmp_path):
    levels = {"fib_tbb/8": 10, "fib_libfork/8": 5, "fib_tbb/9": 10, "fib_libfork/9": 10.0}
    path = result_of(tmp_path / "a.json", levels)
    part = "--backend-part", "_(tbb|libfork)"
    assert cells(capsys, path, *part) == {
        ("fib/8", "tbb"): None,
        ("fib/8", "libfork"): "faster",
        ("fib/9", "tbb"): None,
        ("fib/9", "libfork"): "same",
    }
    found = cells(capsys, path, *part, "--baseline", "libfork")
    assert found["fib/8", "tbb"] == "slower" and found["fib/8", "libfork"] is None


def test_names_without_the_part_are_counted_and_names_that_become_one_are_refused(capsys, tmp_path):
    path = result_of(tmp_path / "a.json", {"fib_tbb": 10, "fib_libfork": 5, "start": 1})
    assert main([str(path), "--backend-part", "tbb|libfork"]) == 0
    assert "1 of 3 benchmarks have no such part, the first is start" in capsys.readouterr().out
    path = result_of(tmp_path / "b.json", {"fib_tbb": 10, "tbb_fib": 5})
    words = refused(capsys, path, "--backend-part", "tbb")
    assert "'fib_tbb' and 'tbb_fib' are both the case 'fib' of the backend 'tbb'" in words


def test_records_name_their_backends_themselves(capsys, tmp_path):
    records = write_records(tmp_path / "run.jsonl", {"pool": 3.0})
    assert "is for Google Benchmark's" in refused(capsys, records, "--backend-part", "1")


def test_of_a_rate_more_is_faster_and_there_are_no_tiers(capsys, tmp_path):
    path = result_of(tmp_path / "a.json", {"fib/tbb/8": 10, "fib/libfork/8": 5, "fib/omp/8": 20})
    part = str(path), "--backend-part", "2", "--metric", "items_per_second"
    assert cells(capsys, *part) == {
        ("fib/8", "tbb"): None,
        ("fib/8", "libfork"): "faster",
        ("fib/8", "omp"): "slower",
    }
    assert main([*part]) == 0
    text = capsys.readouterr().out
    assert "▼ slower, ▲ faster" in text and "tier" not in text
    assert main([*part, "--fail-if", "slower:40%"]) == 1
    assert main([*part, "--filter", "libfork", "--fail-if", "slower:5%"]) == 0


def test_of_other_counters_nobody_knows_which_is_better(capsys, tmp_path):
    counters = {"a/x": {"max_bytes_used": 100}, "a/y": {"max_bytes_used": 300}}
    path = result_of(tmp_path / "a.json", {"a/x": 1, "a/y": 1}, counters)
    found = cells(capsys, path, "--backend-part", "2", "--metric", "max_bytes_used")
    assert found["a", "y"] == "higher"
    words = refused(capsys, path, "--backend-part", "2", "--metric", "max_byte")
    assert "--metric 'max_byte': expected one of wall, cpu" in words and "max_bytes_used" in words


def test_a_counter_of_a_plug_ins_record_is_a_metric_as_well(capsys, tmp_path):
    records = write_records(tmp_path / "run.jsonl", {"pool": 3.0}, counters={"hits_per_s": 7.0})
    assert cells(capsys, records, "--metric", "hits_per_s")["gather/a", "pool"] == "same"


def test_without_blocks_the_words_below_ask_for_repetitions(capsys, tmp_path):
    path = result_of(tmp_path / "a.json", {"a/x": 1, "a/y": 2})
    assert main([str(path), "--backend-part", "2"]) == 0
    assert "how many more repetitions would decide" in capsys.readouterr().out
    records = write_records(tmp_path / "run.jsonl", {"pool": 3.0})
    assert main([str(records)]) == 0
    assert "how many more blocks would decide" in capsys.readouterr().out


def test_cpu_time_of_the_calling_thread_alone_is_said_to_be_that(capsys, tmp_path):
    one = result_of(tmp_path / "one.json", {"f/8": 1.0, "g/8": 1.0, "h/process_time": 1.0})
    other = result_of(tmp_path / "other.json", {"f/8": 2.0, "g/8": 1.0, "h/process_time": 1.0})
    words = "one.json: CPU time of 2 of 3 benchmarks is that of the calling thread alone"
    assert main([str(one), str(other), "--metric", "cpu"]) == 0
    assert words in capsys.readouterr().out
    assert main([str(one), str(other)]) == 0
    assert "calling thread" not in capsys.readouterr().out
    whole = {"f/process_time/real_time": 1.0}
    files = [result_of(tmp_path / f"{name}.json", whole) for name in ("c", "d")]
    assert main([*map(str, files), "--metric", "cpu"]) == 0
    assert "calling thread" not in capsys.readouterr().out
    ours = write_records(tmp_path / "run.jsonl", {"floor": 0.5})
    assert main([str(ours), "--metric", "cpu"]) == 0
    assert "calling thread" not in capsys.readouterr().out
