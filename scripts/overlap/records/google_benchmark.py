"""Google Benchmark's own JSON: reads what any such program wrote, and writes records in that form,
so that its tools/compare.py works on them. The fields are those of its JSONReporter, 1.7.1."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

GOOGLE_BENCHMARKS_OWN = {
    "cpu_time",
    "family_index",
    "iterations",
    "per_family_instance_index",
    "real_time",
    "repetition_index",
    "repetitions",
    "threads",
}

SECONDS_PER_UNIT = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}


@dataclass
class Result:
    """By the name of each benchmark the counters of all its repetitions, or why there are none."""

    context: dict[str, Any]
    repetitions: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


def is_result(path: Path) -> bool:
    """Whether a file is one JSON object rather than a line a record."""
    try:
        with open(path, encoding="utf-8") as file:
            start = file.read(4096).lstrip()
    except (OSError, UnicodeDecodeError):
        return False
    return start.startswith("{") and '"kind"' not in start.partition("\n")[0]


def read_result(path: Path) -> Result:
    """Raises ValueError or OSError, with one line that says why."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        entries = content["benchmarks"]
        result = Result(dict(content.get("context", {})))
        for name, words in dict(result.context.get("not_measured", {})).items():
            result.repetitions[name], result.errors[name] = [], str(words)
        named = [(str(entry.get("run_name") or entry["name"]), entry) for entry in entries]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            "neither records of this suite nor Google Benchmark's JSON "
            f"(expected an object with a list `benchmarks`: {error!r})"
        ) from error
    for name, entry in named:
        if entry.get("error_occurred"):
            result.repetitions.setdefault(name, [])
            result.errors[name] = " ".join(str(entry.get("error_message")).split())
        elif entry.get("run_type", "iteration") == "iteration":
            result.repetitions.setdefault(name, []).append(_counters(entry))
    for name, entry in named:
        # A program told to report aggregates only leaves nothing else to compare.
        if name not in result.repetitions and entry.get("aggregate_name") == "median":
            result.repetitions[name] = [_counters(entry)]
    return result


def _counters(entry: Mapping[str, Any]) -> dict[str, float]:
    """The program's counters; its times under our names, unless it has counters of these names."""
    factor = SECONDS_PER_UNIT.get(entry.get("time_unit", "ns"))
    if factor is None:
        raise ValueError(f"{entry.get('name')}: unknown time_unit {entry['time_unit']!r}")
    times = {
        ours: entry[theirs] * factor
        for ours, theirs in (("wall_s", "real_time"), ("cpu_s", "cpu_time"))
        if isinstance(entry.get(theirs), (int, float))
    }
    return times | {
        name: value
        for name, value in entry.items()
        if isinstance(value, (int, float)) and name not in GOOGLE_BENCHMARKS_OWN
    }


def to_result(head: Mapping[str, Any], samples: list[dict[str, Any]]) -> dict[str, Any]:
    """Records in Google Benchmark's form: a row is a benchmark, a sample one of its repetitions.
    Rows without any number would upset its compare.py, which takes the mean of all; their words
    stand in the context instead, as `not_measured`."""
    rows: dict[str, list[dict[str, Any]]] = {}
    words: dict[str, str] = {}
    for sample in samples:
        if sample.get("error"):
            words[sample["row"]] = sample["error"]
        else:
            rows.setdefault(sample["row"], []).append(sample)
    benchmarks = [
        entry
        for family, (row, of_row) in enumerate(rows.items())
        for entry in _entries(family, row, of_row)
    ]
    missing = {row: why for row, why in words.items() if row not in rows}
    return {"context": {**_context(head), "not_measured": missing}, "benchmarks": benchmarks}


def _context(head: Mapping[str, Any]) -> dict[str, Any]:
    machine = head.get("machine", {})
    context: dict[str, Any] = {
        "date": head.get("started", ""),
        "host_name": machine.get("host", ""),
        "executable": "overlap",
        "num_cpus": machine.get("cores", 0),
        "mhz_per_cpu": 0,
        "cpu_scaling_enabled": False,
        "caches": [],
        "load_avg": [],
        "library_build_type": "release",
        "json_schema_version": 1,
    }
    return context | {"commit": str(head.get("suite", {}).get("commit", ""))}


def _entries(family: int, row: str, samples: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for index, sample in enumerate(samples):
        counters = sample["counters"]
        yield {
            "name": row,
            "family_index": family,
            "per_family_instance_index": 0,
            "run_name": row,
            "run_type": "iteration",
            "repetitions": len(samples),
            "repetition_index": index,
            "threads": 1,
            "iterations": 1,
            # compare.py prints whole units.
            "real_time": counters["wall_s"] * 1e9,
            "cpu_time": counters.get("cpu_s", 0.0) * 1e9,
            "time_unit": "ns",
            **counters,
        }
