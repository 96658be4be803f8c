"""One task after another in plain Python: what the others in Python are to be compared with."""

from functools import partial
from typing import Any

from blocking import (
    Flights,
    accept_and_echo,
    beat_or_compute,
    below_root,
    followed,
    listen,
    numbers_of,
    sleep_once,
    stay,
    wait_and_compute,
)
from protocol import ECHO, PYTHON, Case, Run, Workloads, announce, serve, timed
from work import delays_ns


def sleeps(case: Case, flights: Flights) -> list[int]:
    return [followed(flights, sleep_once, delay) for delay in delays_ns(case)]


def gather(case: Case, flights: Flights) -> list[int]:
    children = range(case["fan_out"])
    return [followed(flights, below_root, case, child, stay, flights) for child in children]


def heartbeat(case: Case, flights: Flights) -> list[int]:
    tasks = range(case["tasks"] + 1)
    return numbers_of([followed(flights, beat_or_compute, case, i, stay) for i in tasks])


def mix(case: Case, flights: Flights) -> list[int]:
    return [followed(flights, wait_and_compute, case, i) for i in range(case["tasks"])]


def echo(case: Case, flights: Flights) -> tuple[float, list[int], list[int]]:
    with listen() as listener:
        announce(listener.getsockname()[1])
        serve_one = partial(followed, flights, accept_and_echo, listener, case)
        return timed(case, 1, lambda _: [serve_one() for _ in range(case["connections"])])


WORKLOADS = Workloads(sleeps=sleeps, gather=gather, heartbeat=heartbeat, mix=mix)


def run(workload: str, case: Case, repeat: int, trace: bool) -> Run:
    flights: Any = [] if trace else None
    if workload in ECHO:
        wall_s, results, sums = echo(case, flights)
    else:
        gather = partial(WORKLOADS[workload], flights=flights)
        wall_s, results, sums = timed(case, repeat, gather)
    return Run(wall_s, results, flights, sums)


if __name__ == "__main__":
    serve(run, PYTHON, task_limit=1)
