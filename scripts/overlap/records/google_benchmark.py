"""Google Benchmark's own JSON: reads what any such program wrote, and writes records in that form,
so that its tools/compare.py works on them. The fields are those of its JSONReporter, 1.7.1."""

import codecs
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from overlap.records.checks import harmless

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


# How the names of aggregates end in results from before there was a `run_type` (until 1.4).
AGGREGATE = re.compile(r"_(mean|median|stddev|cv|BigO|RMS)$")
ONLY_AGGREGATES = ("median", "mean")  # Which one stands for the repetitions that are not there.


@dataclass
class Result:
    """By the name of each benchmark the counters of all its repetitions, or why there are none. `lost`
    are repetitions that failed beside others that did not, by name, in words."""

    context: dict[str, Any]
    repetitions: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    lost: dict[str, list[str]] = field(default_factory=dict)


def text_of(content: bytes) -> str:
    """UTF-8, or UTF-16 with a byte order mark, from the first line on that may begin a JSON value: some
    programs print words of their own first. Raises ValueError."""
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = content.decode("utf-16" if utf16 else "utf-8-sig")
    begin = re.search(r"^\s*[{[]", text, re.MULTILINE)
    return text[begin.start() :] if begin else text


def is_result(content: bytes) -> bool:
    """Whether a file holds one JSON value rather than a line a record."""
    try:
        start = text_of(content).lstrip()
    except ValueError:
        return False
    if not start.startswith(("{", "[")):
        return False
    try:
        first = json.loads(start.partition("\n")[0])
    except (ValueError, RecursionError):
        return True  # An object of several lines is no line of records.
    return not (isinstance(first, dict) and "kind" in first)


def _whole(text: str) -> int | float:
    """As a number that floating point can take: a counter of 400 digits is none of ours."""
    return int(text) if len(text) < 300 else float("inf")


def _parsed(text: str) -> list[dict[str, Any]]:
    """The results in a file: one, or an array of them."""
    try:
        value = harmless(json.loads(text, parse_int=_whole))
    except RecursionError:
        raise ValueError("its brackets are nested too deep") from None
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            words = f"in line {error.lineno} a second result begins; expected one a file"
            raise ValueError(words) from error
        raise ValueError(f"line {error.lineno} is no JSON: {error.msg}") from error
    return value if isinstance(value, list) else [value]


def read_result(content: bytes) -> Result:
    """Raises ValueError, with one line that says why."""
    try:
        parts = _parsed(text_of(content))
        entries = [entry for part in parts for entry in part["benchmarks"]]
        result = Result(dict(parts[0].get("context", {})) if parts else {})
        for name, words in dict(result.context.get("not_measured", {})).items():
            result.repetitions[name], result.errors[name] = [], str(words)
        named = [(str(entry.get("run_name") or entry["name"]), entry) for entry in entries]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"no `{error.args[0]}`" if isinstance(error, KeyError) else str(error)
        raise ValueError(
            "neither records of this suite nor Google Benchmark's JSON "
            f"(expected an object with a list `benchmarks`: {why})"
        ) from error
    if named and not any("real_time" in entry or _words(entry) for _, entry in named):
        raise ValueError(
            "its `benchmarks` have no `real_time`: another tool's JSON, and not Google Benchmark's"
        )
    for name, entry in named:
        _add(result, name, entry)
    for aggregate in ONLY_AGGREGATES:
        for name, entry in named:
            # A program told to report aggregates only leaves nothing else to compare.
            if name not in result.repetitions and entry.get("aggregate_name") == aggregate:
                result.repetitions[name] = [_counters(entry)]
    return result


def _words(entry: Mapping[str, Any]) -> str:
    """Why a benchmark has no numbers: since 1.8 one may say that it is to be skipped, with no fault."""
    for flag, words in (("error_occurred", "error_message"), ("skipped", "skip_message")):
        if entry.get(flag):
            said = entry.get(words) or entry.get("error_message") or "without a word"
            return " ".join(str(said).split())
    return ""


def _add(result: Result, name: str, entry: Mapping[str, Any]) -> None:
    if words := _words(entry):
        if "specification_hash" not in result.context:  # Our own binaries' words say what they are.
            words = f"{'failed' if entry.get('error_occurred') else 'skipped'}: {words}"
        result.repetitions.setdefault(name, [])
        result.errors[name] = words
        result.lost.setdefault(name, []).append(words)
    elif _is_repetition(entry):
        result.repetitions.setdefault(name, []).append(_counters(entry))


def _is_repetition(entry: Mapping[str, Any]) -> bool:
    if "run_type" in entry:
        return bool(entry["run_type"] == "iteration")
    return "real_time" in entry and not AGGREGATE.search(str(entry.get("name")))


def _counters(entry: Mapping[str, Any]) -> dict[str, float]:
    """The program's counters; its times under our names, unless it has counters of these names."""
    factor = SECONDS_PER_UNIT.get(entry.get("time_unit", "ns"))
    if factor is None:
        raise ValueError(f"{entry.get('name')}: unknown time_unit {entry['time_unit']!r}")
    numbers = {
        name: value
        for name, value in entry.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }
    times = {
        ours: numbers[theirs] * factor
        for ours, theirs in (("wall_s", "real_time"), ("cpu_s", "cpu_time"))
        if theirs in numbers
    }
    return times | {n: v for n, v in numbers.items() if n not in GOOGLE_BENCHMARKS_OWN}


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
        times = {"real_time": counters["wall_s"], "cpu_time": counters.get("cpu_s", 0.0)}
        # compare.py prints whole units: nanoseconds, but for what has more of them than a number can be.
        unit = "ns" if all(math.isfinite(each * 1e9) for each in times.values()) else "s"
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
            **{name: seconds / SECONDS_PER_UNIT[unit] for name, seconds in times.items()},
            "time_unit": unit,
            **counters,
        }
