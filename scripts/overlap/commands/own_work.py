"""Somebody's own work as cases: tasks that wait and compute in turn, a server that answers messages, or
clients of one; and its neighbours with ten times as much of one thing."""

import json
import math
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from overlap.base.exits import UsageError
from overlap.base.units import seconds
from overlap.measure.costs import START_S, Costs
from overlap.measure.samples import take_sample
from overlap.records.models import model_of
from overlap.records.rows import Row

ECHO, HEARTBEAT, MIX, SLEEPS = "echo", "heartbeat", "mix", "sleeps"
CASE = "work"
MOST_WORK = 4_000_000_000  # Of a case: steps of xorshift32 a round.
PACE_STEPS = 20_000_000
PACE = f"""[mix.{CASE}_pace]
tasks = 1
wait_s = 0
work = {PACE_STEPS}
iterations = 5
"""
BEAT_S = 1e-3
LEAST_FOR_MEMORY = 1_000  # Tasks.
LEAST_DELAY_S = 0.1
MOST_BEATS = 2_000
# What starting a task takes where that is much, for the time foreseen alone.
TASK_S = {"threads": 30e-6, "processes": 400e-6}
ECHO_S, ECHO_MESSAGES, LEAST_MESSAGES = 1.0, 50_000, 10
MESSAGE_S = 20e-6  # Of an answer that is waited for; most of it is the kernel's.
# Of clients: a case is long enough for them to go on side by side, and no row for them to take minutes.
EXCHANGES, LEAST_EXCHANGES, WAITED_S = 2_000, 10, 0.5
EXCHANGE_S = 150e-6  # Of both ends.
ONE_CORE = ("event loop", "fibers", "sequential", "floor")
TIMES = 10


def seconds_per_step(binary: Path) -> float:
    """How long a step of computing takes on this machine, from one sample of bench_mix."""
    with tempfile.NamedTemporaryFile("w", prefix="overlap-", suffix=".toml") as file:
        file.write(PACE)
        file.flush()
        options = [f"--workloads={file.name}", "--trace=off", "--memory=off"]
        sample = take_sample(binary, f"mix/{CASE}_pace/sequential", options, 60.0)
    if sample.error:
        raise UsageError(f"the pace of this machine cannot be measured: {sample.error}")
    return sample.counters["wall_s"] / PACE_STEPS


@dataclass(frozen=True)
class Work(ABC):
    """What somebody wants to run, as a case of each workload that measures a figure of it, on so many
    cores (None: all there are)."""

    tasks: int
    cores: int | None = None
    name: str = CASE

    @property
    @abstractmethod
    def figures(self) -> dict[str, str]:
        """By metric the workload that it is measured in."""

    @abstractmethod
    def metric_of(self, want: str) -> str:
        """The one that decides where somebody wants time, cpu, memory or responsive. Raises UsageError."""

    @abstractmethod
    def neighbours(self) -> dict[str, "Work"]:
        """By words that say what there is ten times as much of in them."""

    @abstractmethod
    def table(self, workload: str, step_s: float) -> str:
        """Its case of this workload; a step of computing takes `step_s`."""

    @abstractmethod
    def sample_s(self, row: Row, cores: int) -> float:
        """About how long a sample of the row takes."""

    @abstractmethod
    def in_words(self, cores: int) -> str:
        """In one line."""

    @property
    def computes(self) -> bool:
        return False

    def workloads(self) -> list[str]:
        return list(dict.fromkeys(self.figures.values()))

    def _ten_times(
        self, key: str, words: str, shown: Callable[[Any], str] = "{:,}".format
    ) -> dict[str, "Work"]:
        """The neighbour with ten times as much of this one, by words for it: "compute ({})"."""
        value = TIMES * getattr(self, key)
        name = f"{CASE}_{TIMES}x_{key.removesuffix('_s')}"
        return {
            f"{TIMES} times the {words.format(shown(value))}": replace(
                self, **{key: value}, name=name
            )
        }

    def _on(self, cores: int) -> str:
        used = self.cores or cores
        return f"on {used} core{'' if used == 1 else 's'}"

    def _table(self, workload: str, keys: Mapping[str, float]) -> str:
        cores = {"cores": self.cores} if self.cores else {}
        lines = [f"{key} = {json.dumps(value)}" for key, value in {**keys, **cores}.items()]
        return "\n".join([f"[{workload}.{self.name}]", *lines]) + "\n"

    def _starting_s(self, row: Row) -> float:
        model = model_of(row) if row.backend.endswith("task") else ""
        return START_S + 2 * self.tasks * TASK_S.get(model, 0.0)


@dataclass(frozen=True)
class MixedWork(Work):
    """Tasks of so many rounds, that wait for `wait_s` and then compute for `compute_s`."""

    wait_s: float = 0.0
    compute_s: float = 0.0
    rounds: int = 1

    @property
    def computes(self) -> bool:
        return self.compute_s > 0

    @property
    def figures(self) -> dict[str, str]:
        """What a task holds up is measured beside a heartbeat, and its memory while it waits."""
        found = {"wall": MIX, "cpu": MIX, "memory": SLEEPS}
        return found | {"gap": HEARTBEAT} if self.computes else found

    def metric_of(self, want: str) -> str:
        if want == "responsive" and not self.computes:
            raise UsageError(
                "--want responsive: tasks that only wait hold up nothing; add --compute"
            )
        return {"time": "wall", "responsive": "gap"}.get(want, want)

    def neighbours(self) -> dict[str, Work]:
        found = self._ten_times("tasks", "tasks ({})")
        return found | (
            self._ten_times("compute_s", "compute ({})", seconds) if self.computes else {}
        )

    @property
    def computing_s(self) -> float:
        """Of all tasks together."""
        return self.tasks * self.rounds * self.compute_s

    def steps(self, step_s: float) -> int:
        """Of computing in a round. Raises UsageError if that is more than a case can have."""
        if not self.computes:
            return 0
        steps = round(self.compute_s / step_s)
        if steps > MOST_WORK:
            most = MOST_WORK * step_s
            raise UsageError(
                f"{self.compute_s:g} s of computing a round: expected {most:.0f} at most"
            )
        return max(1, steps)

    def table(self, workload: str, step_s: float) -> str:
        if workload == SLEEPS:
            # Long enough for all to be there at once, and as many as show beside the program's memory.
            keys = {"tasks": max(self.tasks, LEAST_FOR_MEMORY)}
            return self._table(SLEEPS, {**keys, "delay_s": max(self.wait_s, LEAST_DELAY_S)})
        work = self.steps(step_s)
        if workload == HEARTBEAT:
            # All tasks are due at once, and another one beats until they are done.
            beats = min(MOST_BEATS, 20 + round(self.computing_s / BEAT_S))
            keys = {"tasks": self.tasks, "work": work, "parts": self.rounds, "beats": beats}
            return self._table(HEARTBEAT, {**keys, "interval_s": BEAT_S})
        keys = {"tasks": self.tasks, "rounds": self.rounds, "wait_s": self.wait_s, "work": work}
        return self._table(MIX, keys)

    def sample_s(self, row: Row, cores: int) -> float:
        at_once = 1 if model_of(row) in ONE_CORE else min(self.cores or cores, cores)
        if row.workload == SLEEPS:
            return row.expected_s + self._starting_s(row)
        # The receipt's oracle and the warm-up compute as well.
        warm_up = 1 / at_once if row.workload == MIX else 0
        computing_s = self.computing_s * (1 + warm_up + 1 / at_once)
        return row.expected_s + computing_s + self._starting_s(row)

    def in_words(self, cores: int) -> str:
        each = f"wait {seconds(self.wait_s)} and compute {seconds(self.compute_s)}"
        if not self.compute_s:
            each = f"wait {seconds(self.wait_s)}"
        elif not self.wait_s:
            each = f"compute {seconds(self.compute_s)}"
        times = "" if self.rounds == 1 else f", {self.rounds:,} times over,"
        return f"{self.tasks:,} tasks that{times} {each}, {self._on(cores)}"


@dataclass(frozen=True)
class EchoWork(Work):
    """A server with a task for each connection, which sends back messages of `bytes`: offered `rate` per
    second in all, or as fast as they are answered (None)."""

    rate: int | None = None
    bytes: int = 64

    @property
    def figures(self) -> dict[str, str]:
        return {"p99" if self.rate else "wall": ECHO, "cpu": ECHO, "memory": ECHO}

    def metric_of(self, want: str) -> str:
        if want == "responsive":
            raise UsageError(
                "--want responsive: what is held up shows in --want time, with a --rate"
            )
        if want == "time":
            return "p99" if self.rate else "wall"
        return want

    def neighbours(self) -> dict[str, Work]:
        found = self._ten_times("tasks", "connections ({})")
        return found | (self._ten_times("rate", "rate ({} per second)") if self.rate else {})

    @property
    def messages(self) -> int:
        """Of each connection."""
        in_all = self.rate * ECHO_S if self.rate else ECHO_MESSAGES
        return max(LEAST_MESSAGES, round(in_all / self.tasks))

    def table(self, workload: str, step_s: float) -> str:
        keys = {"connections": self.tasks, "messages": self.messages, "bytes": self.bytes}
        return self._table(workload, keys | ({"rate": self.rate} if self.rate else {}))

    def sample_s(self, row: Row, cores: int) -> float:
        in_all = self.tasks * self.messages
        sending_s = in_all / self.rate if self.rate else in_all * MESSAGE_S
        # The warm-up sends a tenth of them.
        return 1.1 * sending_s + self._starting_s(row)

    def in_words(self, cores: int) -> str:
        load = f"{self.rate:,} messages per second" if self.rate else "messages without a pause"
        tasks = f"{self.tasks:,} connection{'' if self.tasks == 1 else 's'}"
        return (
            f"an echo server of {tasks} that send {load} of {self.bytes:,} bytes, {self._on(cores)}"
        )


@dataclass(frozen=True)
class ClientWork(Work):
    """Tasks that keep a connection each to a server, and ask it so many times (None: as fits the time),
    one after another: for JSON documents by HTTP, or by key in PostgreSQL. It lets each wait for
    `wait_s` before it answers."""

    io: str = "fetch"
    wait_s: float = 0.0
    rounds: int | None = None

    @property
    def figures(self) -> dict[str, str]:
        return {"wall": self.io, "cpu": self.io, "memory": self.io}

    def metric_of(self, want: str) -> str:
        if want not in ("time", "cpu"):
            raise UsageError(f"--want {want}: of clients it is not measured; expected time or cpu")
        return "wall" if want == "time" else want

    def neighbours(self) -> dict[str, Work]:
        found = self._ten_times("tasks", "connections ({})")
        return found | (self._ten_times("wait_s", "wait ({})", seconds) if self.wait_s else {})

    @property
    def exchanges(self) -> int:
        """Of each task."""
        if self.rounds:
            return self.rounds
        most = WAITED_S / self.wait_s if self.wait_s else math.inf
        return max(1, round(min(most, max(LEAST_EXCHANGES, EXCHANGES / self.tasks))))

    def table(self, workload: str, step_s: float) -> str:
        each = "requests" if workload == "fetch" else "queries"
        keys = {"connections": self.tasks, each: self.exchanges}
        return self._table(workload, keys | ({"delay_s": self.wait_s} if self.wait_s else {}))

    def sample_s(self, row: Row, cores: int) -> float:
        # The warm-up is the same once more.
        talking_s = self.tasks * self.exchanges * EXCHANGE_S
        return 2 * (row.expected_s + talking_s) + self._starting_s(row)

    def in_words(self, cores: int) -> str:
        asked = {"fetch": "gets {} JSON documents from nginx", "query": "asks PostgreSQL {} times"}
        waits = f", which waits {seconds(self.wait_s)} before it answers" if self.wait_s else ""
        what = asked[self.io].format(f"{self.exchanges:,}")
        tasks = f"{self.tasks:,} task{'' if self.tasks == 1 else 's'}"
        return f"{tasks}, each of which {what}{waits}, {self._on(cores)}"


class OwnCosts(Costs):
    """What samples of such cases are expected to take."""

    def __init__(self, works: Sequence[Work], cores: int) -> None:
        super().__init__()
        self._works = {work.name: work for work in works}
        self._cores = cores

    def of(self, row: Row) -> float:
        return self._works[row.case].sample_s(row, self._cores)


def other_loops(rows: Sequence[Row]) -> Iterator[str]:
    """Rows of a runtime that has another one on an earlier loop of the list."""
    seen: dict[tuple[str, str], str] = {}
    for row in rows:
        runtime, separator, loop = row.backend.partition(":")
        if separator and not row.skip and seen.setdefault((row.case_name, runtime), loop) != loop:
            yield row.row
