"""Runs steps of checks beside each other, and counts what they say.

Tests mostly wait, and builds compute: so all that is to be built is built by a second process, one
preset after another, while the tests of what is ready run here; those that measure no time in a lane of
their own. That process and what it starts have the lowest priority, for tests that measure time to find
the cores as good as free.
"""

import multiprocessing
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

LOWEST_PRIORITY = 19  # See nice(2).
FORK = multiprocessing.get_context("fork")


@dataclass
class Counts:
    """The outcome of a step. `shown` is what a person needs to see of its failures."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    shown: str = ""

    def add(self, other: "Counts") -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


@dataclass(frozen=True)
class Step:
    """A check, and what computes for it at the lowest priority before it begins: a build, of which it
    is told whether that went well; or, where there is nothing else to do, the check itself. It waits for
    what was prepared for the step `after`, too. Those of one lane run one after another."""

    check: Callable[[], Counts] | None = None
    prepare: Callable[[], Counts] | None = None
    after: str = ""
    lane: str = ""


def one(good: bool, shown: str) -> Counts:
    """The counts of a check that holds or does not."""
    return Counts(passed=1) if good else Counts(failed=1, shown=shown)


def timed(do: Callable[[], Counts]) -> tuple[Counts, float]:
    """What a check counts, and how many seconds it took. One that cannot be started has failed."""
    begun = time.monotonic()
    try:
        counts = do()
    except (OSError, subprocess.CalledProcessError) as error:
        counts = one(False, str(error))
    return counts, time.monotonic() - begun


class Results:
    """What was prepared for one lane to hear of; to be asked in one process only."""

    def __init__(self, source: Connection, expected: set[str]) -> None:
        self._source = source
        self._expected = expected
        self._arrived: dict[str, tuple[Counts, float]] = {}

    def of(self, name: str) -> tuple[Counts, float]:
        """Waits for a step to be prepared; not for one that nobody prepares."""
        while name in self._expected and name not in self._arrived:
            try:
                step, result = self._source.recv()
            except EOFError:
                return one(False, f"the process that prepares {name} has died"), 0.0
            self._arrived[step] = result
        return self._arrived.get(name, (Counts(), 0.0))


class Preparation:
    """Another process that prepares steps one after another, and tells each lane of it."""

    def __init__(
        self, names: Sequence[str], steps: Mapping[str, Step], lanes: Iterable[str]
    ) -> None:
        prepared = {name for name in names if steps[name].prepare}
        pipes = {lane: FORK.Pipe(duplex=False) for lane in lanes}
        self.results = {lane: Results(ours, prepared) for lane, (ours, _) in pipes.items()}
        senders = [sender for _, sender in pipes.values()]
        self._process = FORK.Process(target=self._prepare, args=(names, steps, senders))
        self._process.start()
        for sender in senders:
            sender.close()

    @staticmethod
    def _prepare(
        names: Sequence[str], steps: Mapping[str, Step], senders: Sequence[Connection]
    ) -> None:
        os.setpgid(0, 0)
        os.nice(LOWEST_PRIORITY)
        for name in names:
            if prepare := steps[name].prepare:
                result = timed(prepare)
                for sender in senders:
                    sender.send((name, result))

    def end(self) -> None:
        """Ends the process and all that it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)  # Ninja passes it on.
        self._process.join()


def run_step(name: str, step: Step, results: Results) -> tuple[Counts, str]:
    """How a step went, and how long it took in words. What could not be built is not tested."""
    if results.of(step.after)[0].failed:
        return one(False, f"{step.after} could not be built"), "0 s"
    if step.prepare is None:
        counts, spent = timed(step.check)
        return counts, f"{spent:.0f} s"
    counts, prepared_in = results.of(name)
    if step.check is None or counts.failed:
        return counts, f"{prepared_in:.0f} s"
    counts, spent = timed(step.check)
    return counts, f"{spent:.0f} s, built in {prepared_in:.0f} s"


def run_lane(names: Sequence[str], steps: Mapping[str, Step], results: Results) -> Counts:
    """Runs its steps and prints how each went. Returns their counts together."""
    total = Counts()
    for name in names:
        counts, times = run_step(name, steps[name], results)
        # In one piece, for another lane prints as well.
        print("\n".join(filter(None, (f"{name}, {times}: {counts}", counts.shown))), flush=True)
        total.add(counts)
    return total


class Lane:
    """One that another process runs."""

    def __init__(self, names: Sequence[str], steps: Mapping[str, Step], results: Results) -> None:
        self._counts, sender = FORK.Pipe(duplex=False)

        def run() -> None:
            with suppress(KeyboardInterrupt):
                sender.send(run_lane(names, steps, results))

        self._process = FORK.Process(target=run)
        self._process.start()
        sender.close()

    def counts(self) -> Counts:
        """Waits for its end."""
        try:
            return self._counts.recv()
        except EOFError:
            return one(False, "")

    def end(self) -> None:
        """Interrupts it where it still runs: then it ends what it has started."""
        if self._process.is_alive():
            os.kill(self._process.pid, signal.SIGINT)
        self._process.join()


def run_steps(names: Sequence[str], steps: Mapping[str, Step]) -> int:
    """Runs the steps, prints how each went and the closing line, and returns the exit code."""
    lanes: dict[str, list[str]] = {"": []}
    for name in names:
        lanes.setdefault(steps[name].lane, []).append(name)
    preparation = Preparation(names, steps, lanes)
    others = [
        Lane(lanes[lane], steps, results) for lane, results in preparation.results.items() if lane
    ]
    try:
        total = run_lane(lanes[""], steps, preparation.results[""])
        for other in others:
            total.add(other.counts())
    finally:
        for other in others:
            other.end()
        preparation.end()
    print(total)
    return 1 if total.failed or not total.passed else 0
