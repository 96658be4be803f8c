"""Picks of records with a known truth."""

from overlap.judge.choice import costs_of, finalists, pick_of, too_large
from overlap.judge.metrics import METRICS
from overlap.judge.series import read_source
from overlap.judge.verdicts import Verdict
from overlap.testing.fake_records import edit, write_records

CASE = "gather/a"
RATIOS = {"thread_pool": 0.5, "process_pool": 0.5, "fiber:uring": 2.0, "floor": 0.1}


def picked(path, metric="wall", excluded=(), **options):
    source = read_source(write_records(path, RATIOS, **options))
    return source, pick_of(source, CASE, METRICS[metric], dict.fromkeys(excluded, "too large"))


def test_a_tier_is_picked_and_never_a_floor(tmp_path):
    source, pick = picked(tmp_path / "a.jsonl")
    assert set(pick.tier) == {"thread_pool", "process_pool"} and not pick.undecided
    costs = costs_of(source, CASE, METRICS["wall"], pick.first)
    assert costs["fiber:uring"].verdict is Verdict.MORE and costs[pick.first].verdict is None
    assert finalists(source, pick, 3)[0] == pick.first
    assert set(finalists(source, pick, 9)) == {*pick.tier, "coroutine:uring", "fiber:uring"}


def test_what_is_excluded_leaves_the_next_tier(tmp_path):
    _, pick = picked(tmp_path / "a.jsonl", excluded=("thread_pool", "process_pool"))
    assert pick.tier == ["coroutine:uring"]


def test_too_few_blocks_and_unstable_machines_are_said(tmp_path):
    _, pick = picked(tmp_path / "a.jsonl", blocks=3, spread=0.001)
    assert len(pick.tier) == 1 and pick.undecided == "3 blocks cannot be judged"
    _, pick = picked(tmp_path / "b.jsonl", placebo=1.5)
    assert pick.undecided == "the machine is too unstable to judge"


def test_the_first_of_a_tier_has_the_least_cpu_time(tmp_path):
    path = write_records(tmp_path / "a.jsonl", RATIOS)

    def with_cpu(record):
        if record.get("backend") in ("thread_pool", "process_pool") and "counters" in record:
            heavy = record["backend"] == "thread_pool"
            record["counters"]["cpu_per_task_s"] = 2e-6 if heavy else 1e-6
        return [record]

    source = read_source(edit(path, with_cpu))
    pick = pick_of(source, CASE, METRICS["wall"], {})
    assert pick.tier == ["process_pool", "thread_pool"]


def test_memory_is_judged_by_a_few_counts(tmp_path):
    path = write_records(tmp_path / "a.jsonl", RATIOS, blocks=3)

    def with_memory(record):
        if "counters" in record:
            large = record["backend"] != "fiber:uring"
            record["counters"] |= {"bytes_per_task": 4096.0 if large else 128.0}
            record["counters"]["peak_memory_bytes"] = 4e9 if large else 1e6
        return [record]

    source = read_source(edit(path, with_memory))
    pick = pick_of(source, CASE, METRICS["memory"], {})
    assert pick.tier == ["fiber:uring"] and not pick.undecided
    assert "fiber:uring" not in too_large(source, CASE, 1e9)
    assert too_large(source, CASE, 1e9)["thread_pool"] == "needs 4.00 GB, more than 1.00 GB"
