"""concurrent.futures.ProcessPoolExecutor, with as many workers as cores, kept from run to run.

Of the standard library's two pools it is the one that the documentation of concurrency leads to; a
worker of it that dies is an error, where multiprocessing.Pool waits for ever. Many small tasks are
mapped in chunks, as the documentation says for long iterables: four for each worker, which is what
multiprocessing.Pool chooses. Tasks that wait are given one by one. Workers inherit the listening
socket and accept by turns, as pre-forking servers do.
"""

import math
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

from blocking import Flights, accept_and_echo, cores, followed, listen, stay
from process_tasks import TASKS, Task, run_by
from protocol import ECHO, PYTHON, Case, Run, announce, serve

CHUNKS_OF_A_WORKER = 4
WORKERS = cores()
listener = listen()


def echo_task(case: Case, flights: Flights, _: int) -> int:
    return followed(flights, accept_and_echo, listener, case)


TASKS.update(dict.fromkeys(ECHO, (echo_task, lambda case: range(case["connections"]))))


def chunk_size(workload: str, case: Case) -> int:
    if workload != "gather":
        return 1
    return math.ceil(case["fan_out"] / (CHUNKS_OF_A_WORKER * WORKERS))


def run(pool: ProcessPoolExecutor, workload: str, case: Case, repeat: int, trace: bool) -> Run:
    if workload in ECHO:
        announce(listener.getsockname()[1])
    chunk = chunk_size(workload, case)

    def gather(
        each: Callable[..., Any], task: Task, case: Case, arguments: Iterable[int]
    ) -> list[Any]:
        return list(pool.map(partial(each, task, case), arguments, chunksize=chunk))

    return run_by(gather, workload, case, repeat, trace)


if __name__ == "__main__":
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("fork")) as pool:
        pool.submit(stay).result()  # The first task starts all workers, where they are forked.
        serve(partial(run, pool), PYTHON, task_limit=WORKERS)
