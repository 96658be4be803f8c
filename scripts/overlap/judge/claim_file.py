"""Claims and what must be measured for each to hold: bench/claims.toml."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from overlap.base.exits import UsageError
from overlap.base.machine import ROOT
from overlap.judge.metrics import METRICS, Metric

PATH = ROOT / "bench" / "claims.toml"


class Finding(Enum):
    """What measuring says of a condition or a claim."""

    HOLDS = "holds"
    FAILS = "does not hold"
    UNDECIDED = "undecided"
    MISSING = "not measured"


@dataclass(frozen=True)
class Condition:
    """The figure of `row`, or its ratio `to` another row, lies from `least` to `most`."""

    words: str
    row: str
    to: str
    metric: Metric
    least: float | None
    most: float | None

    @property
    def rows(self) -> list[str]:
        return [self.row, self.to] if self.to else [self.row]


@dataclass(frozen=True)
class Claim:
    """`said_in` are the titles of where such statements are made. `most_blocks` is for a control
    that is to have too few."""

    name: str
    statement: str
    said_in: tuple[str, ...]
    expected: Finding
    conditions: tuple[Condition, ...]
    note: str = ""
    control: bool = False
    most_blocks: int | None = None


# Keys of the two kinds of tables, with their types.
CONDITION_KEYS: Mapping[str, type | tuple[type, ...]] = {
    "words": str,
    "row": str,
    "to": str,
    "metric": str,
    "at_most": (int, float),
    "at_least": (int, float),
    "between": list,
}
CLAIM_KEYS: Mapping[str, type | tuple[type, ...]] = {
    "name": str,
    "statement": str,
    "said_in": list,
    "expected": str,
    "condition": list,
    "note": str,
    "control": bool,
    "most_blocks": int,
}


def _check_keys(table: Any, keys: Mapping[str, Any], needed: set[str], where: str) -> None:
    if not isinstance(table, dict):
        raise ValueError(f"{where}: expected a table")
    for key, value in table.items():
        if key not in keys:
            raise ValueError(f"{where}: unknown key {key!r}, expected some of {', '.join(keys)}")
        if not isinstance(value, keys[key]) or (keys[key] is not bool and isinstance(value, bool)):
            raise ValueError(f"{where}: {key} = {value!r} is of the wrong kind")
    if missing := sorted(needed - set(table)):
        raise ValueError(f"{where}: expected the key {missing[0]}")


def _bounds(table: dict[str, Any], where: str) -> tuple[float | None, float | None]:
    given = sorted({"at_most", "at_least", "between"} & set(table))
    if len(given) != 1:
        raise ValueError(f"{where}: expected one of at_most, at_least and between, found {given}")
    if given == ["at_most"]:
        bounds = (None, table["at_most"])
    elif given == ["at_least"]:
        bounds = (table["at_least"], None)
    else:
        between = table["between"]
        if len(between) != 2 or not all(type(value) in (int, float) for value in between):
            raise ValueError(f"{where}: between = {between!r}: expected two numbers")
        if between[0] > between[1]:
            raise ValueError(f"{where}: between = {between!r}: expected the smaller one first")
        bounds = (between[0], between[1])
    if any(bound is not None and not bound > 0 for bound in bounds):
        raise ValueError(f"{where}: bounds must be above 0")
    return bounds


def _condition(table: Any, where: str) -> Condition:
    _check_keys(table, CONDITION_KEYS, {"words", "row", "metric"}, where)
    if table["metric"] not in METRICS:
        raise ValueError(
            f"{where}: metric = {table['metric']!r}: expected one of {', '.join(METRICS)}"
        )
    metric = METRICS[table["metric"]]
    bounds = _bounds(table, where)
    return Condition(table["words"], table["row"], table.get("to", ""), metric, *bounds)


def _claim(table: Any, sources: Mapping[str, str], where: str) -> Claim:
    needed = {"name", "statement", "said_in", "expected", "condition"}
    _check_keys(table, CLAIM_KEYS, needed, where)
    where = f"claim {table['name']}"
    for source in table["said_in"]:
        if not isinstance(source, str) or source not in sources:
            raise ValueError(f"{where}: said_in: {source!r}: expected some of {', '.join(sources)}")
    if table.get("most_blocks", 1) < 1:
        raise ValueError(f"{where}: most_blocks = {table['most_blocks']}: expected one or more")
    findings = [finding.value for finding in Finding]
    if table["expected"] not in findings:
        raise ValueError(
            f"{where}: expected = {table['expected']!r}: expected one of {', '.join(findings)}"
        )
    conditions = [
        _condition(condition, f"{where}, condition {number}")
        for number, condition in enumerate(table["condition"], start=1)
    ]
    if not conditions:
        raise ValueError(f"{where}: expected at least one condition")
    said_in = tuple(sources[source] for source in table["said_in"])
    rest = {key: table[key] for key in ("note", "control", "most_blocks") if key in table}
    return Claim(
        table["name"],
        table["statement"],
        said_in,
        Finding(table["expected"]),
        tuple(conditions),
        **rest,
    )


def read_claims(path: Path = PATH) -> list[Claim]:
    """In the order of the file. Raises UsageError."""
    try:
        with path.open("rb") as file:
            tables = tomllib.load(file)
        _check_keys(tables, {"sources": dict, "claim": list}, {"claim"}, "the file")
        sources = tables.get("sources", {})
        _check_keys(sources, dict.fromkeys(sources, str), set(), "sources")
        claims = [
            _claim(table, sources, f"claim number {number}")
            for number, table in enumerate(tables["claim"], start=1)
        ]
        names = [claim.name for claim in claims]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two claims are called {name}")
        return claims
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except RecursionError:
        raise UsageError(f"{path}: brackets nested too deep; expected claims") from None
    except ValueError as error:  # tomllib's own errors among them.
        raise UsageError(f"{path}: {error}") from error
