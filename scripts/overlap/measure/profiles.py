"""How thorough a run is: the profiles of bench/profiles.toml, and the placebo that each case gets."""

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from overlap.base.choices import pattern
from overlap.base.exits import UsageError
from overlap.base.machine import ROOT
from overlap.records.rows import Row
from overlap.records.slow import Slow

PATH = ROOT / "bench" / "profiles.toml"
MOST_BLOCKS = 10**6  # A block takes seconds: more is a mistake.


@dataclass(frozen=True)
class Fewer:
    """Rows that are measured in fewer blocks than others, or in none, whatever they take, and why."""

    rows: re.Pattern[str]
    blocks: int
    because: str


@dataclass(frozen=True)
class Profile:
    """Numbers of blocks: measured, and of those traced, with memory measured, and counted."""

    name: str
    blocks: int
    traced: int
    memory: int
    counted: int
    fewer: tuple[Fewer, ...] = ()
    slow: tuple[Slow, ...] = ()

    def apply(self, rows: Iterable[Row]) -> list[Row]:
        """The rows with what this profile leaves out or measures in fewer blocks."""
        return [self._applied(row) for row in rows]

    def _applied(self, row: Row) -> Row:
        rule = next((rule for rule in self.fewer if rule.rows.search(row.row)), None)
        if rule is None or row.skip:
            return row
        if rule.blocks == 0:
            return replace(row, skip=f"left out of {self.name}: {rule.because}")
        return replace(row, blocks=rule.blocks, because=rule.because)


def _profile(name: str, table: Any) -> Profile:
    numbers = ("blocks", "traced", "memory", "counted")
    optional = ("slow", "fewer")
    expected = (
        f"[{name}]: expected whole numbers {', '.join(numbers)}, and, if any, tables `slow` and "
        "`fewer`"
    )
    if not isinstance(table, dict) or not set(numbers) <= set(table) <= {*numbers, *optional}:
        raise ValueError(expected)
    if not all(isinstance(table.get(tables, []), list) for tables in optional):
        raise ValueError(expected)
    if not all(type(table[number]) is int and table[number] >= 0 for number in numbers):
        raise ValueError(expected)
    if (
        not 0 < table["blocks"] <= MOST_BLOCKS
        or not table["memory"] <= table["traced"] <= table["blocks"]
    ):
        raise ValueError(
            f"[{name}]: expected memory <= traced <= blocks, and blocks from 1 on, "
            f"at most {MOST_BLOCKS:,}"
        )
    rules = tuple(_fewer(name, rule) for rule in table.get("fewer", []))
    slow = tuple(_slow(name, rule) for rule in table.get("slow", []))
    return Profile(name, *(table[number] for number in numbers), rules, slow)


def _slow(name: str, rule: Any) -> Slow:
    if (
        not isinstance(rule, dict)
        or set(rule) != {"sample_s", "blocks"}
        or type(rule["sample_s"]) not in (int, float)
        or type(rule["blocks"]) is not int
        or not (rule["sample_s"] > 0 and rule["blocks"] > 0)
    ):
        raise ValueError(f"[{name}]: slow: expected sample_s, in seconds, and blocks from 1 on")
    return Slow(float(rule["sample_s"]), rule["blocks"])


def _fewer(name: str, rule: Any) -> Fewer:
    types = {"rows": str, "blocks": int, "because": str}
    if (
        not isinstance(rule, dict)
        or {key: type(value) for key, value in rule.items()} != types
        or rule["blocks"] < 0
    ):
        raise ValueError(f"[[{name}.fewer]]: expected rows, blocks (0: none) and because")
    try:
        return Fewer(pattern(rule["rows"]), rule["blocks"], rule["because"])
    except ValueError as error:
        raise ValueError(f"[[{name}.fewer]] rows = {rule['rows'][:60]!r}: {error}") from error


def read_profiles(path: Path = PATH) -> dict[str, Profile]:
    """By name, in the order of the file. Raises UsageError."""
    try:
        with path.open("rb") as file:
            return {name: _profile(name, table) for name, table in tomllib.load(file).items()}
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except RecursionError:
        raise UsageError(f"{path}: brackets nested too deep; expected profiles") from None
    except ValueError as error:  # tomllib's own errors among them.
        raise UsageError(f"{path}: {error}") from error


# ---- the placebo ---------------------------------------------------------------------------------

# The reference backend once more under another name, one row a case: two rows that differ in nothing
# but their names show how far apart equal things come out on this machine. That is the noise floor,
# below which no difference means anything.
PLACEBO = "placebo"
# The first of these that a case can be measured on is what the others are compared with.
REFERENCES = ("coroutine:uring", "coroutine:epoll", "coroutine:poll", "sequential")


def reference_of(rows: Sequence[Row]) -> Row | None:
    """The reference among the rows of one case, or None if none of them can be one."""
    measurable = {row.backend: row for row in rows if not row.skip}
    return next((measurable[name] for name in REFERENCES if name in measurable), None)


def with_placebos(rows: Sequence[Row]) -> list[Row]:
    """The rows, and after those of each case its placebo, where the case has a reference."""
    cases: dict[str, list[Row]] = {}
    for row in rows:
        cases.setdefault(row.case_name, []).append(row)
    result: list[Row] = []
    for name, of_case in cases.items():
        result += of_case
        if reference := reference_of(of_case):
            again = {"row": f"{name}/{PLACEBO}", "backend": PLACEBO}
            result.append(replace(reference, placebo_of=reference.backend, **again))
    return result
