"""concurrent.futures.ProcessPoolExecutor, with as many workers as cores, kept from run to run.

Of the standard library's two pools it is the one that the documentation of concurrency leads to; a
worker of it that dies is an error, where multiprocessing.Pool waits for ever. Many small tasks are
mapped in chunks, as the documentation says for long iterables: four for each worker, which is what
multiprocessing.Pool chooses. Tasks that wait are given one by one. Workers inherit the listening
socket and accept by turns, as pre-forking servers do.
"""

import math
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

from blocking import (
    Flights,
    accept_and_echo,
    beat_or_compute,
    below_root,
    cores,
    followed,
    listen,
    numbers_of,
    sleep_once,
    stay,
    wait_and_compute,
)
from protocol import ECHO, PYTHON, Case, Run, Workloads, announce, serve, timed
from work import delays_ns

CHUNKS_OF_A_WORKER = 4
WORKERS = cores()
listener = listen()
Task = Callable[[Case, Flights, int], Any]


def sleep_task(_: Case, flights: Flights, delay_ns: int) -> int:
    return followed(flights, sleep_once, delay_ns)


def gather_task(case: Case, flights: Flights, child: int) -> int:
    return followed(flights, below_root, case, child, os.sched_yield, flights)


def heartbeat_task(case: Case, flights: Flights, index: int) -> tuple[int, int, int]:
    return followed(flights, beat_or_compute, case, index, os.sched_yield)


def mix_task(case: Case, flights: Flights, index: int) -> int:
    return followed(flights, wait_and_compute, case, index)


def echo_task(case: Case, flights: Flights, _: int) -> int:
    return followed(flights, accept_and_echo, listener, case)


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
    **dict.fromkeys(ECHO, (echo_task, lambda case: range(case["connections"]))),
)


def chunk_size(workload: str, case: Case) -> int:
    if workload != "gather":
        return 1
    return math.ceil(case["fan_out"] / (CHUNKS_OF_A_WORKER * WORKERS))


def run(pool: ProcessPoolExecutor, workload: str, case: Case, repeat: int, trace: bool) -> Run:
    if workload in ECHO:
        announce(listener.getsockname()[1])
    task, arguments = TASKS[workload]
    chunk = chunk_size(workload, case)

    def gather(case: Case) -> list[Any]:
        each = partial(traced if trace else untraced, task, case)
        return list(pool.map(each, arguments(case), chunksize=chunk))

    wall_s, home, sums = timed(case, repeat, gather)
    # Taken apart as they are written: the answer is due.
    results = (result for result, _ in home) if trace else home
    flights = (flight for _, of_task in home for flight in of_task) if trace else ()
    results = numbers_of(results) if workload == "heartbeat" else results
    return Run(wall_s, results, flights, sums)


if __name__ == "__main__":
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("fork")) as pool:
        pool.submit(stay).result()  # The first task starts all workers, where they are forked.
        serve(partial(run, pool), PYTHON, task_limit=WORKERS)
