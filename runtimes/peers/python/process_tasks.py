"""The tasks of the workloads as processes run them: functions of a case, a list for flights or None, and one
argument, which are sent to workers by name. Nothing here is of one kind of pool."""

import os
from collections.abc import Callable
from typing import Any

from blocking import (
    Flights,
    beat_or_compute,
    below_root,
    followed,
    numbers_of,
    sleep_once,
    wait_and_compute,
)
from protocol import Case, Run, Workloads, timed
from work import delays_ns

Task = Callable[[Case, Flights, int], Any]


def sleep_task(_: Case, flights: Flights, delay_ns: int) -> int:
    return followed(flights, sleep_once, delay_ns)


def gather_task(case: Case, flights: Flights, child: int) -> int:
    return followed(flights, below_root, case, child, os.sched_yield, flights)


def heartbeat_task(case: Case, flights: Flights, index: int) -> tuple[int, int, int]:
    return followed(flights, beat_or_compute, case, index, os.sched_yield)


def mix_task(case: Case, flights: Flights, index: int) -> int:
    return followed(flights, wait_and_compute, case, index)


def traced(task: Task, case: Case, argument: int) -> tuple[Any, list[tuple[int, int]]]:
    """Workers share no memory with the peer: flights come home with the result."""
    flights: list[tuple[int, int]] = []
    return task(case, flights, argument), flights


def untraced(task: Task, case: Case, argument: int) -> Any:
    return task(case, None, argument)


# Each: the task, and what its arguments are.
TASKS = Workloads(
    sleeps=(sleep_task, delays_ns),
    gather=(gather_task, lambda case: range(case["fan_out"])),
    heartbeat=(heartbeat_task, lambda case: range(case["tasks"] + 1)),
    mix=(mix_task, lambda case: range(case["tasks"])),
)


def run_by(
    gather: Callable[..., list[Any]], workload: str, case: Case, repeat: int, trace: bool
) -> Run:
    """A run whose gather is given the task, its case and the arguments of all."""
    task, arguments = TASKS[workload]
    each = traced if trace else untraced
    wall_s, home, sums = timed(case, repeat, lambda case: gather(each, task, case, arguments(case)))
    # Taken apart as they are written: the answer is due.
    results = (result for result, _ in home) if trace else home
    flights = (flight for _, of_task in home for flight in of_task) if trace else ()
    results = numbers_of(results) if workload == "heartbeat" else results
    return Run(wall_s, results, flights, sums)
