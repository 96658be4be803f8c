"""What is left to measure: every row once a block, less what was measured or given up, and then
once more what the machine disturbed."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from statistics import median
from typing import Any

from overlap.measure.blocks import block_order
from overlap.records.rows import Row, is_final
from overlap.records.slow import Slow, SlowRows

TRIES = 2  # An error that may have been an accident is given this many tries in its block.
# How much longer a sample takes that is also traced, and one with memory measured and calls counted, too.
# Medians over the rows of bench/workloads.toml on 2 cores; only the time foreseen rests on them.
TRACED_FACTOR, WEIGHED_FACTOR = 1.5, 3.0
REPEATED_SHARE = 0.2  # Of the blocks at most: a machine that is never quiet must not run for ever.


def most_repeats(blocks: int, share: float) -> int:
    """How many blocks of a case may be run again."""
    return math.floor(share * blocks)


def cost_factor(block: int, also: Mapping[str, int]) -> float:
    """How much longer the samples of a block take than plain ones; `also` is the head record's."""
    if block < max(also.get("memory", 0), also.get("syscalls", 0)):
        return WEIGHED_FACTOR
    return TRACED_FACTOR if block < also.get("trace", 0) else 1.0


@dataclass(frozen=True)
class Step:
    """One sample to take. `repeats` is the block that its own block stands in for, if any."""

    row: Row
    block: int
    position: int
    attempt: int
    repeats: int | None = None


@dataclass(frozen=True)
class Repeat:
    """A case's part of a dirty block, to be measured again as a block of its own."""

    case: str
    block: int
    repeats: int


class Plan:
    """The order of a run. It follows from the rows, the seed and the samples taken, so that a
    resumed run goes on where the interrupted one was, and more blocks only add to it.

    Samples are compared within a block and a case only. So what is dirty is the part of a block
    that one case has, and that part is what is run again, all its rows, under a new block number.

    A row that the first block shows to be slow is in fewer blocks. The others are then balanced
    among themselves: each block's order is drawn from the rows that it has.
    """

    def __init__(
        self,
        rows: list[Row],
        blocks: int,
        seed: int,
        repeated_share: float = REPEATED_SHARE,
        slow: Sequence[Slow] = (),
        also: Mapping[str, int] | None = None,
    ) -> None:
        self.rows = {row.row: row for row in rows if not row.skip}
        self.blocks = blocks
        self.seed = seed
        self._most_repeats = most_repeats(blocks, repeated_share)
        self._cases: dict[str, list[str]] = {}
        for row in self.rows.values():
            self._cases.setdefault(row.case_name, []).append(row.row)
        self._slow = SlowRows(slow, rows)
        self._given_up: set[str] = set()
        self._measured: set[tuple[str, int]] = set()
        self._failures: dict[tuple[str, int], int] = {}
        self._also = also or {}
        self._durations: dict[str, dict[float, list[float]]] = {}  # By row and cost factor.
        self._dirty: dict[str, set[int]] = {}  # Blocks, by case.
        self._repeated: dict[str, dict[int, int]] = {}  # By case: new block to repeated block.

    def add(self, sample: dict[str, Any]) -> None:
        """Takes note of a sample's record."""
        row, block, error = sample["row"], sample["block"], sample.get("error", "")
        of_row = self._durations.setdefault(row, {})
        of_row.setdefault(cost_factor(block, self._also), []).append(sample["duration_s"])
        self._slow.add(sample)
        if row in self.rows:
            self._add_to_case(self.rows[row].case_name, sample)
        if not error:
            self._measured.add((row, block))
            return
        failures = self._failures[row, block] = self._failures.get((row, block), 0) + 1
        if is_final(error) or failures >= TRIES:
            self._given_up.add(row)

    def _add_to_case(self, case: str, sample: dict[str, Any]) -> None:
        repeats = sample.get("repeats_block")
        if repeats is not None:
            self._repeated.setdefault(case, {})[sample["block"]] = repeats
        elif sample.get("contamination", {}).get("dirty") and "error" not in sample:
            self._dirty.setdefault(case, set()).add(sample["block"])

    def main_blocks(self) -> list[int]:
        """Numbers of the blocks that the run set out for. Those that repeats have taken, in a run
        that was then given more blocks, are passed over."""
        taken = {block for of_case in self._repeated.values() for block in of_case}
        return list(islice((block for block in count() if block not in taken), self.blocks))

    def repeats(self) -> list[Repeat]:
        """What the samples so far say should be run again, those that were begun first; no more
        than the given share of the blocks for each case."""
        first_new = max(self.main_blocks(), default=-1) + 1
        repeats = []
        for case in self._cases:
            begun = self._repeated.get(case, {})
            chosen = [Repeat(case, block, repeated) for block, repeated in sorted(begun.items())]
            free = (block for block in count(first_new) if block not in begun)
            dirty = sorted(self._dirty.get(case, set()) - set(begun.values()))
            chosen += [Repeat(case, next(free), block) for block in dirty]
            repeats += chosen[: max(self._most_repeats, len(begun))]
        return sorted(repeats, key=lambda repeat: repeat.block)

    def steps(self) -> Iterator[Step]:
        """What is left, in order. Samples added meanwhile are taken into account."""
        names = [(name, case) for case, of_case in self._cases.items() for name in of_case]
        for block in self.main_blocks():
            yield from self._steps_of(names, block, None)
        for repeat in self.repeats():
            of_case = [(name, repeat.case) for name in self._cases[repeat.case]]
            yield from self._steps_of(of_case, repeat.block, repeat.repeats)

    def _in_block(self, name: str, block: int) -> bool:
        """Whether the row is measured in that block, or in a repeat of it, at all."""
        most = self._slow.applied(self.rows[name]).blocks
        return most is None or block < most

    def _steps_of(
        self, names: list[tuple[str, str]], block: int, repeats: int | None
    ) -> Iterator[Step]:
        origin = block if repeats is None else repeats
        names = [(name, case) for name, case in names if self._in_block(name, origin)]
        for position, name in enumerate(block_order(names, block, self.seed)):
            while self._wanted(name, block):
                attempt = self._failures.get((name, block), 0)
                yield Step(self.rows[name], block, position, attempt, repeats)

    def _wanted(self, name: str, block: int) -> bool:
        return name not in self._given_up and (name, block) not in self._measured

    def left(self) -> list[tuple[str, int]]:
        """The (row, block) pairs still to be measured, as far as is known by now."""
        pairs = [(name, block, block) for block in self.main_blocks() for name in self.rows]
        pairs += [
            (name, repeat.block, repeat.repeats)
            for repeat in self.repeats()
            for name in self._cases[repeat.case]
        ]
        return [
            (name, block)
            for name, block, origin in pairs
            if self._wanted(name, block) and self._in_block(name, origin)
        ]

    def seconds_left(self) -> float:
        """From the median of each row's samples so far that took the same beside time. Rows without
        any are taken at what the plan expected, corrected by how far that was off for the others.
        """
        plain = {
            name: median(s / factor for factor, taken in of_row.items() for s in taken)
            for name, of_row in self._durations.items()
            if name in self.rows
        }
        guessed = sum(self.rows[name].expected_s for name in plain)
        correction = sum(plain.values()) / guessed if guessed > 0 else 1.0

        def seconds(name: str, block: int) -> float:
            factor = cost_factor(block, self._also)
            if same := self._durations.get(name, {}).get(factor):
                return median(same)
            return factor * plain.get(name, self.rows[name].expected_s * correction)

        return sum(seconds(name, block) for name, block in self.left())
