from pathlib import Path

import pytest

from overlap.judge.best import kind_of, kinds
from overlap.judge.series import from_records
from overlap.records.files import Records, read_records
from overlap.show.answer import answers, called, listed, unstable_cases
from overlap.testing.fake_records import edit, write_records

CASES = ("sleeps/a", "sleeps/b")
LOOPS = {"coroutine:epoll": 1.0, "thread_pool": 1.5, "process_pool": 1.002}


def source_of(path):
    return from_records(read_records(path))


def sentences(path):
    return [answer.sentence() for answer in answers(source_of(path))]


def test_the_best_tier_of_every_case_is_named_and_metrics_that_agree_are_one_part(tmp_path):
    path = write_records(tmp_path / "r.jsonl", LOOPS | {"floor": 0.2}, cases=CASES)
    assert sentences(path) == [
        "Waiting: by time and by CPU time coroutines on any loop and a process pool; "
        "by memory not measured."
    ]


def test_a_backend_that_is_best_in_some_cases_only_is_told_so(tmp_path):
    def swap(record):
        if record.get("case") == "b" and "counters" in record:
            factor = {"thread_pool": 0.2, "coroutine:uring": 3}.get(record["backend"], 3)
            for name in ("wall_s", "cpu_s", "cpu_per_task_s"):
                record["counters"][name] *= factor
        return [record]

    path = write_records(tmp_path / "r.jsonl", {"thread_pool": 1.5}, cases=CASES)
    (told,) = sentences(edit(path, swap))
    assert "coroutines on uring and a thread pool (in 1 of 2 cases)" in told


def test_too_few_blocks_and_an_unstable_machine_are_no_answer(tmp_path):
    few = write_records(tmp_path / "few.jsonl", LOOPS, cases=CASES, blocks=3)
    assert "by time and by CPU time unknown (too few blocks)" in sentences(few)[0]
    shaky = write_records(tmp_path / "shaky.jsonl", LOOPS, cases=CASES, placebo=1.5)
    assert "unknown (machine unstable)" in sentences(shaky)[0]
    assert unstable_cases(source_of(shaky)) == list(CASES)


def gated(gate, blocks, backends):
    def change(record):
        if record["kind"] == "sample" and record["backend"] in backends:
            if record["block"] < blocks:
                record["gates"] = [gate]
        return [record]

    return change


def test_where_the_load_generator_is_the_limit_nobody_is_best_by_time(tmp_path):
    path = write_records(tmp_path / "r.jsonl", LOOPS, cases=("echo/a",))
    path = edit(path, gated("generator-bound", 30, {"coroutine:uring", "placebo"}))
    (told,) = sentences(path)
    assert "by time unknown (generator-bound)" in told
    assert "by CPU time coroutines on any loop and a process pool" in told


def test_a_server_that_did_not_do_what_was_asked_is_not_among_the_best(tmp_path):
    path = write_records(tmp_path / "r.jsonl", LOOPS, cases=("echo/a",))
    path = edit(path, gated("overloaded: 3 of 4 answered", 30, {"process_pool"}))
    (told,) = sentences(path)
    assert "by time and by CPU time coroutines on any loop;" in told


def test_memory_is_told_by_the_range_of_its_counts(tmp_path):
    def weigh(record):
        if "counters" in record and record["block"] < 3:
            size = {"thread_pool": 9e3}.get(record["backend"], 1e3)
            record["counters"]["bytes_per_task"] = size + record["block"]
        return [record]

    path = edit(write_records(tmp_path / "r.jsonl", LOOPS, cases=CASES), weigh)
    assert sentences(path)[0].endswith("by memory coroutines on any loop and a process pool.")


@pytest.mark.parametrize(
    ("case", "parameters", "kind"),
    [
        ("gather/a", {"work": "spin"}, "computing"),
        ("gather/a", {"fan_out": 3}, "starting tasks"),
        ("heartbeat/a", {}, "staying responsive"),
        ("their_own/a", {}, "their_own"),
    ],
)
def test_the_kind_of_work_of_a_case(case, parameters, kind):
    assert kind_of(case, parameters) == kind


def test_floors_and_one_task_after_another_are_no_choice(tmp_path):
    path = write_records(tmp_path / "r.jsonl", LOOPS | {"floor": 0.1, "sequential": 0.1})
    for best in kinds(source_of(path))[0].best:
        assert not {"floor", "sequential"} & set(best.of)


def test_records_without_samples_have_no_answer():
    head = {"rows": [], "machine": {"host": "x"}, "suite": {"commit": "", "modified": False}}
    assert answers(from_records(Records(Path("x"), head | {"profile": "quick"}, []))) == []


def test_names_are_those_of_a_sentence():
    of = ["fiber:uring", "fiber:epoll", "sharded_coroutine:uring", "tokio", "thread_per_task"]
    assert called(["fiber:uring"], of) == ["fibers on uring"]
    assert called(of[:2], of) == ["fibers on any loop"]
    assert called(of[2:], of) == ["sharded coroutines on uring", "tokio", "a thread per task"]
    assert listed(["a"]) == "a" and listed(["a", "b", "c"]) == "a, b and c"
    assert listed([str(i) for i in range(12)]).endswith("6 and 5 more")
