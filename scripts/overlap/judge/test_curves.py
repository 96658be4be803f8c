"""Curves of which the truth is known."""

import json
import math

import numpy as np
import pytest

from overlap.base.exits import RecordError
from overlap.judge import curves
from overlap.judge.metrics import METRICS
from overlap.judge.series import from_records
from overlap.records.files import read_records
from overlap.testing.fake_records import write_records

STEP_S = 2e-9
TASKS = 1000
WORKS = [4**i for i in range(1, 9)]
OVERHEADS_S = {"thread_pool": 1e-6, "stealing_coroutine:uring": 5e-8, "process_pool": 1e-3}
BLOCKS = 12


def write(path, wall_of, cases, backends, cores=2):
    """Records of a run in which `wall_of(backend, values, block)` is the wall time."""
    every = [*backends]
    write_records(path, dict.fromkeys(every, 1.0), cases=cases, blocks=BLOCKS, placebo=None)
    head, *samples = [json.loads(line) for line in path.read_text().splitlines()]
    head["machine"]["cores"] = cores
    for row in head["rows"]:
        row["tasks"] = TASKS
    kept = []
    for sample in samples:
        _, values = curves.split_name(f"{sample['workload']}/{sample['case']}")
        wall = wall_of(sample["backend"], values, sample["block"])
        if wall is not None:
            sample["counters"] |= {"wall_s": wall, "cpu_per_task_s": wall / TASKS}
            kept.append(sample)
    path.write_text("".join(json.dumps(record) + "\n" for record in [head, *kept]))
    return from_records(read_records(path))


def noise(block, spread=0.01):
    return math.exp(np.random.default_rng(block).normal(0, spread))


def wall_with_overhead(backend, values, block):
    alone = values["work"] * STEP_S * TASKS
    if backend == "sequential":
        return alone * noise(block)
    if backend == "coroutine:uring":
        return alone * noise(block) + TASKS * 1e-8
    return (alone + TASKS * OVERHEADS_S[backend]) / 2 * noise(block)


def grain_family(tmp_path, **changes):
    cases = [f"gather/grain@work={work}" for work in WORKS]
    backends = changes.pop("backends", ["sequential", *OVERHEADS_S])
    source = write(tmp_path / "run.jsonl", wall_with_overhead, cases, backends, **changes)
    (family,) = curves.families(source)
    return family


def test_a_name_says_family_and_values():
    assert curves.split_name("gather/a@work=10@cores=2") == ("gather/a", {"work": 10, "cores": 2})
    assert curves.split_name("sleeps/s@delay_s=1e-05") == ("sleeps/s", {"delay_s": 1e-5})
    assert curves.split_name("gather/1k_empty") == ("gather/1k_empty", {})


def test_the_grain_is_where_work_and_overhead_are_equal(tmp_path):
    family = grain_family(tmp_path)
    assert family.name == "gather/grain" and family.key == "work" and family.cores == 2
    found = {each.backend: each for each in curves.grains(family)}
    for backend in ("thread_pool", "stealing_coroutine:uring"):
        half = found[backend].half
        # Between two points the efficiency is no straight line.
        assert half.centre == pytest.approx(OVERHEADS_S[backend], rel=0.15)
        assert half.low < half.centre < half.high and half.blocks == BLOCKS and not half.beyond
        assert found[backend].pays.centre > half.centre
    assert found["process_pool"].half is None, "it was not reached in this range"


def test_one_core_has_no_grain_although_half_of_two_is_one(tmp_path):
    found = {each.backend: each for each in curves.grains(grain_family(tmp_path))}
    assert found["sequential"].half is None and found["sequential"].pays is None
    assert found["coroutine:uring"].half is None
    assert found["coroutine:uring"].efficiency == pytest.approx(0.5, abs=0.02)


def test_what_is_efficient_at_the_smallest_task_lies_below(tmp_path, monkeypatch):
    monkeypatch.setitem(OVERHEADS_S, "thread_pool", 1e-12)
    found = {each.backend: each for each in curves.grains(grain_family(tmp_path))}
    assert found["thread_pool"].half.beyond == "<"
    assert found["thread_pool"].half.centre == pytest.approx(WORKS[0] * STEP_S, rel=0.05)


def test_without_the_work_alone_there_is_no_grain(tmp_path):
    family = grain_family(tmp_path, backends=["thread_pool"])
    with pytest.raises(RecordError, match="expected rows of sequential"):
        curves.grains(family)


def test_scaling_follows_the_law_it_was_made_from(tmp_path):
    sigma, kappa = 0.05, 0.002
    numbers = [1, 2, 4, 8, 16, 32]

    def wall(_backend, values, block):
        n = values["cores"]
        return (1 + sigma * (n - 1) + kappa * n * (n - 1)) / n * noise(block, 0.002)

    cases = [f"gather/a@cores={n}" for n in numbers]
    (family,) = curves.families(write(tmp_path / "run.jsonl", wall, cases, ["thread_pool"]))
    first, *_ = curves.scalings(family)
    assert first.fit == pytest.approx((sigma, kappa), rel=0.1)
    assert first.speedups[2].centre == pytest.approx(2 / (1 + sigma + 2 * kappa), rel=0.01)
    (few,) = curves.families(write(tmp_path / "few.jsonl", wall, cases[:3], ["thread_pool"]))
    assert curves.scalings(few)[0].fit is None, "three points do not make a law of two numbers"


def test_a_swept_case_on_several_cores_is_a_family_for_each(tmp_path):
    cases = [f"gather/a@work={work}@cores={n}" for n in (1, 2) for work in (10, 100)]
    source = write(tmp_path / "run.jsonl", lambda *_: 1.0, cases, ["sequential"])
    found = [(each.name, each.key, each.cores) for each in curves.families(source)]
    assert found == [("gather/a@cores=1", "work", 1), ("gather/a@cores=2", "work", 2)]


def break_even_of(tmp_path, exponents):
    """One takes 1 ms and the other x ** exponent microseconds."""

    def wall(backend, values, block):
        x = values["tasks"]
        return exponents.get(backend, lambda x: 1.0)(x) * noise(block)

    cases = [f"sleeps/s@tasks={10**i}" for i in range(6)]
    source = write(tmp_path / "run.jsonl", wall, cases, list(exponents))
    (family,) = curves.families(source)
    first, second = (family.curve(name) for name in exponents)
    return curves.break_evens(first, second, METRICS["wall"])


def test_break_even_is_where_curves_cross(tmp_path):
    (found,) = break_even_of(
        tmp_path, {"thread_pool": lambda x: 1e-6 * x, "process_pool": lambda x: 1e-3}
    )
    assert found.at.centre == pytest.approx(1000, rel=0.05)
    assert found.lower_above == "process_pool"


def test_curves_that_do_not_cross_have_no_break_even(tmp_path):
    assert not break_even_of(
        tmp_path, {"thread_pool": lambda x: 1e-6 * x, "process_pool": lambda x: 3e-6 * x}
    )
