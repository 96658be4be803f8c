"""What is left to measure: every row once a block, less what was measured or given up."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

from overlap.blocks import block_order
from overlap.sampling import Row, is_final

TRIES = 2  # An error that may have been an accident is given this many tries in its block.


@dataclass(frozen=True)
class Step:
    """One sample to take."""

    row: Row
    block: int
    position: int
    attempt: int


class Plan:
    """The order of a run. It follows from the rows and the seed alone, so that a resumed run goes
    on where the interrupted one was, and more blocks only add to it."""

    def __init__(self, rows: list[Row], blocks: int, seed: int) -> None:
        self.rows = {row.row: row for row in rows if not row.skip}
        self.blocks = blocks
        self.seed = seed
        self._given_up: set[str] = set()
        self._measured: set[tuple[str, int]] = set()
        self._failures: dict[tuple[str, int], int] = {}
        self._durations: dict[str, list[float]] = {}

    def add(self, sample: dict[str, Any]) -> None:
        """Takes note of a sample's record."""
        row, block, error = sample["row"], sample["block"], sample.get("error", "")
        self._durations.setdefault(row, []).append(sample["duration_s"])
        if not error:
            self._measured.add((row, block))
            return
        failures = self._failures[row, block] = self._failures.get((row, block), 0) + 1
        if is_final(error) or failures >= TRIES:
            self._given_up.add(row)

    def steps(self) -> Iterator[Step]:
        """What is left, in order. Samples added meanwhile are taken into account."""
        names = [(row.row, row.case) for row in self.rows.values()]
        for block in range(self.blocks):
            for position, name in enumerate(block_order(names, block, self.seed)):
                while self._wanted(name, block):
                    attempt = self._failures.get((name, block), 0)
                    yield Step(self.rows[name], block, position, attempt)

    def _wanted(self, name: str, block: int) -> bool:
        return name not in self._given_up and (name, block) not in self._measured

    def left(self) -> list[tuple[str, int]]:
        """The (row, block) pairs still to be measured."""
        return [
            (name, block)
            for block in range(self.blocks)
            for name in self.rows
            if self._wanted(name, block)
        ]

    def seconds_left(self) -> float:
        """From the median of each row's samples so far. Rows without any are taken at the binary's
        own guess, corrected by how far its guesses were off for the others."""
        known = {
            name: median(durations)
            for name, durations in self._durations.items()
            if name in self.rows
        }
        guessed = sum(self.rows[name].expected_s for name in known)
        correction = sum(known.values()) / guessed if guessed > 0 else 1.0
        return sum(
            known.get(name, self.rows[name].expected_s * correction) for name, _ in self.left()
        )
