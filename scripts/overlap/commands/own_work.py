"""Somebody's own work as a case: tasks that wait and compute in turn, and its neighbours with ten times
as many tasks and ten times as much computing."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from overlap.base.exits import UsageError
from overlap.measure.costs import START_S, Costs
from overlap.measure.samples import take_sample
from overlap.records.models import model_of
from overlap.records.rows import Row

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
class Work:
    """`tasks`, each of `rounds` that wait for `wait_s` and then compute for `compute_s`, on so many
    cores (None: all there are)."""

    tasks: int
    wait_s: float
    compute_s: float
    rounds: int = 1
    cores: int | None = None
    name: str = CASE

    def neighbours(self) -> dict[str, "Work"]:
        """By what is ten times as much in them."""
        more = replace(self, tasks=TIMES * self.tasks, name=f"{CASE}_10x_tasks")
        found = {"tasks": more}
        if self.compute_s:
            compute_s = TIMES * self.compute_s
            found["compute"] = replace(self, compute_s=compute_s, name=f"{CASE}_10x_compute")
        return found

    @property
    def computing_s(self) -> float:
        """Of all tasks together."""
        return self.tasks * self.rounds * self.compute_s

    def steps(self, step_s: float) -> int:
        """Of computing in a round. Raises UsageError if that is more than a case can have."""
        steps = round(self.compute_s / step_s)
        if steps > MOST_WORK:
            most = MOST_WORK * step_s
            raise UsageError(
                f"{self.compute_s:g} s of computing a round: expected {most:.0f} at most"
            )
        return max(1, steps) if self.compute_s else 0

    def waiting_and_computing(self, step_s: float) -> str:
        """As a case of the mix workload."""
        keys = {"tasks": self.tasks, "rounds": self.rounds, "wait_s": self.wait_s}
        return self._table("mix", {**keys, "work": self.steps(step_s)})

    def beside_a_heartbeat(self, step_s: float) -> str:
        """As a case of the heartbeat workload: all tasks are due at once, and another task beats until
        they are done, on however many cores. Empty where nothing computes."""
        if not self.compute_s:
            return ""
        beats = min(MOST_BEATS, 20 + round(self.computing_s / BEAT_S))
        keys = {"tasks": self.tasks, "work": self.steps(step_s), "parts": self.rounds}
        return self._table("heartbeat", {**keys, "beats": beats, "interval_s": BEAT_S})

    def waiting(self) -> str:
        """As a case of the sleeps workload, for the memory of a task that waits: long enough for all to
        be there at once, and as many as show beside the memory of the program."""
        keys = {"tasks": max(self.tasks, LEAST_FOR_MEMORY)}
        return self._table("sleeps", {**keys, "delay_s": max(self.wait_s, LEAST_DELAY_S)})

    def _table(self, workload: str, keys: dict[str, float]) -> str:
        cores = {"cores": self.cores} if self.cores else {}
        lines = [f"{key} = {json.dumps(value)}" for key, value in {**keys, **cores}.items()]
        return "\n".join([f"[{workload}.{self.name}]", *lines]) + "\n"

    def sample_s(self, row: Row, cores: int) -> float:
        """About how long a sample of the row takes."""
        model = model_of(row)
        at_once = 1 if model in ONE_CORE else min(self.cores or cores, cores)
        starting_s = 2 * self.tasks * TASK_S.get(model if row.backend.endswith("task") else "", 0.0)
        if row.workload == "sleeps":
            return START_S + row.expected_s + starting_s
        # The receipt's oracle and the warm-up compute as well.
        warm_up = 1 / at_once if row.workload == "mix" else 0
        computing_s = self.computing_s * (1 + warm_up + 1 / at_once)
        return START_S + row.expected_s + computing_s + starting_s


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
