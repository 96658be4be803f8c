import os
import signal
import subprocess
import time

import pytest

from overlap.base.exits import UsageError
from overlap.base.processes import run_contained
from overlap.testing.fake_suite import FakeSuite
from overlap.measure import samples
from overlap.measure.samples import exact_filter, list_rows, take_sample
from overlap.records.rows import is_final


def measure(tmp_path, case, deadline_s=20.0, workload="gather"):
    row = f"{workload}/{case}/floor"
    suite = FakeSuite(tmp_path / "build", [row])
    return take_sample(suite.directory / "bench" / f"bench_{workload}", row, [], deadline_s)


def test_a_sample_has_the_counters_of_its_row(tmp_path):
    sample = measure(tmp_path, "ok")
    assert sample.error == "" and sample.counters["wall_s"] == 0.25
    assert sample.counters["concurrency"] == 1000
    assert "iterations" not in sample.counters and "real_time" not in sample.counters
    assert sample.context["compiler"] == "g++ 12"
    assert sample.duration_s > 0
    assert set(sample.contamination) >= {"steal_share", "foreign_cpu_share", "dirty"}


def test_what_a_load_says_against_its_figures_is_in_the_record(tmp_path):
    record = measure(tmp_path, "gated", workload="echo").to_record()
    assert record["gates"] == [
        "generator late: p99 of sending is 90 us",
        "generator-bound: busy",
    ]
    assert record["counters"]["cpu_s"] == 0.1
    assert "gates" not in measure(tmp_path / "plain", "ok").to_record()


def test_what_servers_of_ours_use_is_not_foreign(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(samples, "contamination", lambda *readings: told.append(readings[2]) or {})
    row = "fetch/ok/floor"
    suite = FakeSuite(tmp_path / "build", [row])
    used_s = iter([40.0, 47.0])
    binary = suite.directory / "bench" / "bench_fetch"
    take_sample(binary, row, [], 20.0, servers_cpu_s=lambda: next(used_s))
    assert 7.0 <= told[0] < 27.0


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("limit", "limit: 20,000 descriptors"),
        ("wrong", "wrong: checksum 1 instead of 2"),
        ("broken", "crashed: Segmentation fault (signal 11): about to fall over"),
        ("garbage", "unreadable: printed 10 bytes that are no result"),
        ("unverified", "wrong: no matching receipt"),
        ("nan", "unreadable: wall_s not a number"),
        ("silent", "unreadable: printed 0 results for one row"),
        ("failed", "limit: 3 processes"),
    ],
)
def test_what_goes_wrong_is_said_in_words(tmp_path, case, words):
    sample = measure(tmp_path, case)
    assert sample.error == words
    record = sample.to_record()
    assert record["error"] == words and "counters" not in record


def wait_until(condition):
    for _ in range(6000):
        if condition():
            return True
        time.sleep(0.01)
    return False


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_a_hung_binary_is_ended_with_all_its_children(tmp_path):
    sample = measure(tmp_path, "hang", deadline_s=1.0)
    assert sample.error == "timeout: no answer within 1 s"
    child = int((tmp_path / "build" / "hanging").read_text())
    assert wait_until(lambda: not is_running(child))


def test_a_process_left_behind_is_ended_with_the_sample(tmp_path):
    pid = tmp_path / "pid"
    for start in ("", "setsid "):
        outcome = run_contained(["bash", "-c", f"{start}sleep 600 & echo $! > {pid}"], 20)
        assert outcome.status == 0 and not outcome.timed_out
        assert not os.path.exists(f"/proc/{pid.read_text().strip()}")


def test_what_was_running_before_a_sample_goes_on():
    with subprocess.Popen(["sleep", "600"]) as bystander:
        try:
            run_contained(["true"], deadline_s=20)
            assert bystander.poll() is None
        finally:
            bystander.kill()


def test_cpu_time_of_grandchildren_counts():
    loop = "i=0; while ((i < 60000)); do ((i += 1)); done"
    outcome = run_contained(["bash", "-c", f"bash -c '{loop}'; true"], deadline_s=60)
    assert outcome.status == 0 and 0.01 < outcome.cpu_s


def test_an_ending_signal_is_a_negative_status():
    outcome = run_contained(["bash", "-c", "kill -TERM $$"], deadline_s=20)
    assert outcome.status == -signal.SIGTERM


def test_wrong_usage_ends_the_run(tmp_path):
    with pytest.raises(UsageError, match="^workloads.toml:3: delay: expected a number$"):
        measure(tmp_path, "usage")


def test_a_missing_binary_is_named(tmp_path):
    with pytest.raises(UsageError, match="bench_gather: No such file"):
        take_sample(tmp_path / "bench_gather", "gather/ok/floor", [], 1)
    with pytest.raises(UsageError, match="bench_gather: No such file"):
        list_rows(tmp_path / "bench_gather", [])


def test_a_list_of_rows(tmp_path):
    rows = ["gather/ok/floor", ("gather/ok/process_per_task", "would take 500 s")]
    suite = FakeSuite(tmp_path / "build", rows)
    listing = list_rows(suite.directory / "bench" / "bench_gather", [])
    assert listing.workload == "gather" and listing.specification.name == "workloads.toml"
    assert [row.skip for row in listing.rows] == ["", "would take 500 s"]


@pytest.mark.parametrize("output", ["", "rows", "{}", '{"workload": "a", "rows": [{}]}'])
def test_an_unreadable_list_of_rows_is_an_error(tmp_path, output):
    binary = tmp_path / "bench_gather"
    binary.write_text(f"#!/bin/sh\necho '{output}'\n")
    os.chmod(binary, 0o755)
    with pytest.raises(UsageError, match="not a list of rows"):
        list_rows(binary, [])


def test_a_binary_that_fails_to_list_says_why(tmp_path):
    binary = tmp_path / "bench_gather"
    binary.write_text("#!/bin/sh\necho 'libtbb.so.12: not found' >&2\nexit 127\n")
    os.chmod(binary, 0o755)
    with pytest.raises(UsageError, match=r"--list_rows: libtbb.so.12: not found"):
        list_rows(binary, [])


def test_a_filter_means_one_name_only():
    assert exact_filter("gather/a.b/coroutine:uring x2") == "^gather/a\\.b/coroutine:uring x2$"
    assert exact_filter("a+(b)[c]{2}|^$?*\\") == "^a\\+\\(b\\)\\[c\\]\\{2\\}\\|\\^\\$\\?\\*\\\\$"


def test_which_errors_are_final():
    assert is_final("limit: 20,000 descriptors") and is_final("timeout: no answer within 60 s")
    assert is_final("wrong: checksum")
    assert not is_final("crashed: Segmentation fault") and not is_final("unreadable: no wall_s")
