"""The peers' end of the protocol, for those in Python: ../README.md has it line for line."""

from __future__ import annotations  # PyPy is of an older Python.

import json
import platform
import sys
import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

Case = dict[str, Any]
PYTHON = f"Python {platform.python_version()}"


# Beside what the request says of a case, its key SEED has the state of the first leaf.
SEED = "first_state"


# The workloads that serve, with and without a deadline on each read.
ECHO = ("echo", "echo_with_deadlines")


class NoWorkload(Exception):
    """A peer was asked for what it does not know."""


class Workloads(dict[str, Any]):
    """What a peer does for each workload, by name."""

    def __missing__(self, name: str) -> Any:
        raise NoWorkload(name)


@dataclass
class Run:
    """What one request came to. `results` are whole numbers of 64 bits, negative ones included; `sums`
    are what those of each repetition but the last add up to;
    `flights` are pairs of nanoseconds, as many as tasks, if the request asked for them. Both are
    gone through once at most."""

    wall_s: float
    results: Iterable[int]
    flights: Iterable[tuple[int, int]] = ()
    sums: Iterable[int] = ()


def say(**answer: object) -> None:
    print(json.dumps(answer), flush=True)


def announce(port: int) -> None:
    """Says where an echo server listens; the load comes as soon as this is said."""
    say(port=port)


def next_repetition(case: Case) -> Case:
    """Of gather, which alone is repeated: it goes on with the leaves after those of this one."""
    return case | {SEED: case[SEED] + case["fan_out"] ** case["depth"]}


def timed(case: Case, repeat: int, gather: Callable[[Case], Any]) -> tuple[float, Any, list[int]]:
    """The seconds that `repeat` gathers take, what the last one returned, and what the results of
    each before add up to."""
    sums = []
    start = time.perf_counter()
    results = gather(case)
    for _ in range(repeat - 1):
        sums.append(sum(results))
        case = next_repetition(case)
        results = gather(case)
    return time.perf_counter() - start, results, sums


@dataclass
class Request:
    """To run a case: how many gathers to time, and whether to trace. Whoever has done it puts what it came to
    into `done`; None says that the workload is not known."""

    workload: str
    case: Case
    repeat: int
    trace: bool
    done: Run | None = None


def requests(version: str, task_limit: int | None = None) -> Iterator[Request]:
    """Says hello, and then goes through the requests to run a case until there are no more. Each is
    answered when the next is asked for."""
    say(hello={"version": version, "task_limit": task_limit})
    done = Run(0.0, [])
    for line in sys.stdin:
        request = json.loads(line)
        if request["request"] == "run":
            case = request["case"] | {SEED: request["seed"]}
            asked = Request(request["workload"], case, request["repeat"], request["trace"])
            yield asked
            if asked.done is None:
                say(no_workload=True)
            else:
                done = asked.done
                say(wall_s=done.wall_s)
        else:
            write(request["results"], done.results)
            if request["sums"]:
                write(request["sums"], done.sums)
            if request["flights"]:
                write(request["flights"], (time_ns for pair in done.flights for time_ns in pair))
            say(written=True)


def serve(
    run: Callable[[str, Case, int, bool], Run], version: str, task_limit: int | None = None
) -> None:
    """Answers requests until there are no more. `run` is given the workload, the case, how many gathers
    to time, and whether to trace."""
    for asked in requests(version, task_limit):
        try:
            asked.done = run(asked.workload, asked.case, asked.repeat, asked.trace)
        except NoWorkload:
            pass


def write(path: str, numbers: Iterable[int]) -> None:
    """Little-endian, 64 bits each; negative numbers as two's complement."""
    values = array("Q", (number & 0xFFFF_FFFF_FFFF_FFFF for number in numbers))
    if sys.byteorder == "big":
        values.byteswap()
    with open(path, "wb") as file:
        values.tofile(file)
