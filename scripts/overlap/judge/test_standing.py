import re
from pathlib import Path

import numpy as np
import pytest

from overlap.judge.standing import peers_ahead
from overlap.show.overview import standing
from overlap.records.files import Records

MODELS = {"fast": "event loop", "slow": "event loop", "green": "fibers"}


def record_of(backend, block, wall_s, **counters):
    names = {"row": f"gather/a/{backend}", "workload": "gather", "case": "a", "backend": backend}
    counters |= {"wall_s": wall_s, "verified": 1}
    return {"kind": "sample", **names, "block": block, "duration_s": 1.0, "counters": counters}


def records(blocks, walls, **counters):
    """A run in which each backend takes so long, a little more in each block."""
    rows = []
    for backend in walls:
        model = MODELS.get(backend, "")
        row = record_of(backend, 0, 1.0) | {"tasks": 1, "unit": "task", "expected_s": 0, "skip": ""}
        rows.append(row | ({"model": model, "language": "Go", "version": "1"} if model else {}))
    samples = [
        record_of(backend, block, wall_s * (1 + block / 100), **counters.get(backend, {}))
        for backend, wall_s in walls.items()
        for block in range(blocks)
    ]
    head = {"rows": rows, "machine": {"host": "box"}, "suite": {"commit": "", "modified": False}}
    return Records(Path("x"), {**head, "profile": "quick"}, samples)


def test_a_peer_is_compared_with_the_best_backend_of_its_model():
    found = list(
        peers_ahead(records(8, {"coroutine:a": 1.0, "coroutine:b": 2.0, "fast": 0.8, "slow": 1.5}))
    )
    assert [(each.peer, each.best, each.metric.name) for each in found] == [
        ("fast", "coroutine:a", "wall")
    ]
    assert found[0].ratio == pytest.approx(0.8) and found[0].low <= 0.8 <= found[0].high < 1


def test_ranks_of_mpi_are_no_peer(monkeypatch):
    run = {"coroutine:a": 1.0, "fast": 0.5}
    assert len(list(peers_ahead(records(8, run)))) == 1
    monkeypatch.setitem(MODELS, "mpi", MODELS["fast"])
    assert list(peers_ahead(records(8, {"coroutine:a": 1.0, "mpi": 0.5}))) == []


def test_a_model_that_no_backend_was_measured_of_is_named():
    alone = records(8, {"coroutine:a": 1.0, "fast": 2.0, "green": 0.1})
    assert list(peers_ahead(alone)) == []
    assert standing(alone) == (
        "No peer is ahead of our best backend of its model.\n"
        "\nNot compared, since we measured no backend of that model: gather/a (fibers: green).\n"
    )


def in_fewer_blocks(run, backend, blocks):
    samples = [
        sample for sample in run.samples if sample["backend"] != backend or sample["block"] < blocks
    ]
    return Records(run.path, run.head, samples)


def test_who_was_measured_in_few_blocks_is_the_best_only_against_its_like():
    run = records(12, {"coroutine:a": 2.0, "coroutine:b": 1.0, "fast": 1.8, "slow": 1.8})
    run = in_fewer_blocks(in_fewer_blocks(run, "coroutine:b", 2), "slow", 2)
    assert [(each.peer, each.best) for each in peers_ahead(run)] == [("fast", "coroutine:a")]
    half = in_fewer_blocks(
        records(12, {"coroutine:a": 2.0, "coroutine:b": 1.0, "fast": 1.8}), "coroutine:b", 6
    )
    assert list(peers_ahead(half)) == []


def test_few_blocks_tell_only_what_would_matter():
    (found,) = peers_ahead(records(2, {"coroutine:a": 1.0, "fast": 0.9}))
    assert found.blocks == 2 and found.ratio == pytest.approx(0.9) and found.low != found.low
    assert list(peers_ahead(records(2, {"coroutine:a": 1.0, "fast": 0.97}))) == []


def test_memory_and_cpu_time_are_figures_of_their_own():
    counters = {
        "coroutine:a": {"bytes_per_task": 100.0, "cpu_per_task_s": 1e-6},
        "fast": {"bytes_per_task": 50.0, "cpu_per_task_s": 2e-6},
    }
    (found,) = peers_ahead(records(8, {"coroutine:a": 1.0, "fast": 1.0}, **counters))
    assert found.metric.name == "memory" and found.ratio == pytest.approx(0.5)


def test_the_table_has_a_line_for_each_and_says_when_there_is_none():
    table = standing(records(8, {"coroutine:a": 1.0, "fast": 0.8}))
    assert re.search(
        r"\| gather/a \| wall time \| fast \| coroutine:a \| 0\.80 \[0\.80, 0\.80\]", table
    )
    assert standing(records(8, {"coroutine:a": 1.0, "fast": 2.0})).startswith("No peer")
    assert standing(records(8, {"coroutine:a": 1.0})) == "No peer was measured.\n"


def test_lateness_is_a_figure_too():
    late = {"coroutine:a": {"lateness_p50_s": 2e-3}, "fast": {"lateness_p50_s": 1e-3}}
    (found,) = peers_ahead(records(8, {"coroutine:a": 1.0, "fast": 1.0}, **late))
    assert found.metric.name == "lateness" and found.ratio == pytest.approx(0.5)


def test_the_best_of_many_equal_backends_is_not_picked_on_what_it_is_compared_on():
    generator = np.random.default_rng(1)
    names = [f"coroutine:{letter}" for letter in "abcdefgh"]
    found = []
    for _ in range(40):
        run = records(12, dict.fromkeys([*names, "fast"], 1.0))
        for sample in run.samples:
            sample["counters"]["wall_s"] = float(np.exp(generator.normal(0, 0.2)))
        found += peers_ahead(run)
    # A peer is as good as the others: it is behind the luckiest of them no more often than chance.
    assert len(found) <= 4


def test_many_peers_need_more_evidence_than_one():
    generator = np.random.default_rng(2)
    MODELS.update({f"peer{i}": "event loop" for i in range(40)})
    run = records(12, dict.fromkeys(["coroutine:a", *(f"peer{i}" for i in range(40))], 1.0))
    for sample in run.samples:
        sample["counters"]["wall_s"] = float(np.exp(generator.normal(0, 0.1)))
    assert peers_ahead(run) == []
