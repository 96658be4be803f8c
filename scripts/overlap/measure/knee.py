"""The search for the highest rate at which a percentile of latency stays within a bound: of each backend,
in each block, a ladder up to the first rate that is too much, then bisection between the last two.

Every probe is a row of its own, in a fresh process, so that what was found can be looked at as a
curve as well. The rate that is found is confirmed by further probes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import mean
from typing import Any

from overlap.base.exits import UsageError
from overlap.judge.curves import split_name
from overlap.judge.knees import RATE, Bound
from overlap.judge.series import gate_name
from overlap.measure.plan import Step
from overlap.records.rows import Row

LADDER = 14  # Steps of the family at once: with a factor of 1.05 between rates nearly the double.
CONFIRMATIONS = 2  # So that what was found has held for as long again, and again.


@dataclass
class Search:
    """One backend's in one block, over the places of its rates."""

    rates: list[Row]
    start: int
    held: dict[int, int] = field(default_factory=dict)  # How often, by place.
    failed: set[int] = field(default_factory=set)
    invalid: set[int] = field(default_factory=set)
    probes: int = 0

    def add(self, place: int, holds: bool, is_valid: bool = True) -> None:
        """What is not valid, since the load was late, is tried once more."""
        self.probes += 1
        if holds:
            self.held[place] = self.held.get(place, 0) + 1
        elif is_valid or place in self.invalid:
            self.failed.add(place)
        else:
            self.invalid.add(place)

    @property
    def ceiling(self) -> int:
        """The lowest place that is too much."""
        return min(self.failed, default=len(self.rates))

    @property
    def floor(self) -> int:
        """The highest below it that is not; -1 if there is none."""
        return max((place for place in self.held if place < self.ceiling), default=-1)

    def next(self) -> int | None:
        """The place to be tried next; None when the knee is known."""
        floor, ceiling = self.floor, self.ceiling
        if floor < 0 and ceiling == len(self.rates):
            return self.start
        if ceiling == len(self.rates) and floor < ceiling - 1:
            return min(floor + LADDER, ceiling - 1)
        if floor < 0 and ceiling > 0:
            return max(ceiling - LADDER, 0)
        if ceiling - floor > 1:
            return (floor + ceiling) // 2
        return floor if floor >= 0 and self.held[floor] <= CONFIRMATIONS else None


class KneePlan:
    """In place of a Plan, over rows of which each backend has a family. Backends take turns."""

    def __init__(self, rows: list[Row], blocks: int, bound: Bound) -> None:
        self.blocks = blocks
        self._bound = bound
        self._rates: dict[str, list[Row]] = {}
        for row in sorted((row for row in rows if not row.skip), key=_rate_of):
            self._rates.setdefault(row.backend, []).append(row)
        self._places = {
            row.row: place for of_one in self._rates.values() for place, row in enumerate(of_one)
        }
        self._searches: dict[tuple[str, int], Search] = {}
        self._durations: list[float] = []
        self._attempts: dict[tuple[str, int], int] = {}

    def add(self, sample: dict[str, Any]) -> None:
        key = (sample["row"], sample["block"])
        self._attempts[key] = self._attempts.get(key, 0) + 1
        self._durations.append(sample["duration_s"])
        search = self._search(sample["backend"], sample["block"])
        gates = sample.get("gates", [])
        holds = self._bound.holds(sample.get("counters", {}), gates)
        is_valid = not any(gate_name(gate).startswith("generator") for gate in gates)
        search.add(self._places[sample["row"]], holds, is_valid)

    def _search(self, backend: str, block: int) -> Search:
        if (backend, block) not in self._searches:
            before = self._searches.get((backend, block - 1))
            start = max(before.floor, 0) if before else LADDER
            rates = self._rates[backend]
            self._searches[backend, block] = Search(rates, min(start, len(rates) - 1))
        return self._searches[backend, block]

    def steps(self) -> Iterator[Step]:
        """Next is who has had the fewest probes in the block."""
        for block in range(self.blocks):
            while waiting := [
                (self._search(backend, block).probes, position, backend)
                for position, backend in enumerate(self._rates)
                if self._search(backend, block).next() is not None
            ]:
                probes, position, backend = min(waiting)
                place = self._search(backend, block).next()
                assert place is not None
                row = self._rates[backend][place]
                attempt = self._attempts.get((row.row, block), 0)
                yield Step(row, block, probes * len(self._rates) + position, attempt)

    def left(self) -> list[str]:
        """About as many as the searches that have ended took."""
        done = [search for search in self._searches.values() if search.next() is None]
        each = mean(search.probes for search in done) if done else 12
        taken = len(self._durations)
        return [""] * max(round(each * self.blocks * len(self._rates)) - taken, 1)

    def seconds_left(self) -> float:
        return len(self.left()) * (mean(self._durations) if self._durations else 1.0)


def announced(head: dict[str, Any]) -> str:
    """What is searched for, in a line."""
    rows = [row for row in map(Row.from_record, head["rows"]) if not row.skip]
    rates = sorted({_rate_of(row) for row in rows})
    backends = len({row.backend for row in rows})
    return (
        f"knee: {Bound.parse(head['knee'])}, of {backends} backends, {head['blocks']} times, among "
        f"{len(rates)} rates from {rates[0]:,.0f} to {rates[-1]:,.0f} messages a second"
    )


def _rate_of(row: Row) -> float:
    _, values = split_name(row.case_name)
    if RATE not in values:
        raise UsageError(
            f"--knee: {row.case_name} has no rate that is swept; expected a case such as echo.knee "
            "in bench/curves.toml"
        )
    return values[RATE]
