"""Record files with a known truth, for tests."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

SPECIFICATION = "[gather.a]\nfan_out = 1\n\n[gather.b]\nfan_out = 2\n"
REFERENCE = "coroutine:uring"


def write_records(
    path: Path,
    ratios: Mapping[str, float],
    *,
    cases: Sequence[str] = ("gather/a",),
    blocks: int = 30,
    spread: float = 0.02,
    placebo: float | None = 1.0,
    seed: int = 1,
    level: float = 1e-3,
    dirty: Mapping[str, Mapping[int, float]] | None = None,
    words: Mapping[str, str] | None = None,
    specification: str = SPECIFICATION,
    commit: str = "a" * 40,
    host: str = "here",
    counters: Mapping[str, float] | None = None,
) -> Path:
    """The reference takes `level` seconds, every other backend `ratios` times as long, all with
    this `spread` and the same drift from block to block. `placebo` is the placebo's ratio, None if
    there is none. `dirty` says by which factor a backend's sample of a block was disturbed, `words`
    which backends only failed. `counters` are added to every sample."""
    generator = np.random.default_rng(seed)
    truth = {REFERENCE: 1.0, **ratios}
    if placebo is not None:
        truth["placebo"] = placebo
    rows = [
        _row(case, backend, (words or {}).get(backend, "")) for case in cases for backend in truth
    ]
    samples = []
    for case in cases:
        drift = np.exp(np.cumsum(generator.normal(0, 0.1, blocks)))
        for block in range(blocks):
            for backend, ratio in truth.items():
                factor = (dirty or {}).get(backend, {}).get(block, 1.0)
                noise = np.exp(generator.normal(0, spread))
                wall = level * drift[block] * ratio * factor * noise
                sample = _sample(case, backend, block, wall, factor != 1.0, counters or {})
                if backend in (words or {}):
                    del sample["counters"]
                    sample["error"] = words[backend]
                samples.append(sample)
    head = _head(rows, specification, commit, host, blocks)
    text = "".join(json.dumps(record) + "\n" for record in [head, *samples])
    path.write_text(text, encoding="utf-8")
    return path


def _row(case: str, backend: str, words: str) -> dict[str, Any]:
    workload, name = case.split("/")
    row = {"row": f"{case}/{backend}", "workload": workload, "case": name, "backend": backend}
    row |= {"tasks": 1000, "unit": "task", "expected_s": 0.01, "skip": ""}
    return row | ({"placebo_of": REFERENCE} if backend == "placebo" else {})


def _sample(
    case: str, backend: str, block: int, wall: float, dirty: bool, counters: Mapping[str, float]
) -> dict[str, Any]:
    workload, name = case.split("/")
    sample: dict[str, Any] = {"kind": "sample", "row": f"{case}/{backend}"}
    sample |= {"workload": workload, "case": name, "backend": backend}
    if backend == "placebo":
        sample["placebo_of"] = REFERENCE
    sample |= {"block": block, "position": 0, "attempt": 0, "started": "", "duration_s": wall}
    times = {"wall_s": wall, "cpu_s": wall, "cpu_per_task_s": wall / 1000, "verified": 1}
    return sample | {
        "counters": {**times, "parallelism": 1.0, **counters},
        "contamination": {"steal_share": 0.0, "foreign_cpu_share": 0.0, "dirty": dirty},
    }


def _head(
    rows: list[dict[str, Any]], specification: str, commit: str, host: str, blocks: int
) -> dict[str, Any]:
    machine = {"host": host, "kernel": "Linux 6.1", "cpu": "a processor", "cores": 2}
    return {
        "kind": "head",
        "format": 1,
        "started": "2026-01-02T03:04:05+00:00",
        "profile": "standard",
        "blocks": blocks,
        "seed": 7,
        "machine": machine,
        "suite": {"commit": commit, "modified": False},
        "specification": {"path": "w.toml", "sha256": "0", "text": specification},
        "rows": rows,
    }


def edit(path: Path, change: Any) -> Path:
    """Rewrites a file record by record: `change` returns the records that stand for one."""
    lines = path.read_text(encoding="utf-8").splitlines()
    records = [new for line in lines for new in change(json.loads(line))]
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path
