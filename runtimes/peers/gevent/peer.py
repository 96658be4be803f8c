"""gevent: a greenlet for each task, on one thread. The tasks are those of ../python/blocking.py: once the
standard library is patched, code that blocks gives way where it waits, which is what gevent is for.

* channel is gevent.queue.Queue, which cannot be closed: whoever gets an END leaves.
* echo is gevent.server.StreamServer, which starts a greenlet for each connection.
"""

from gevent import monkey

monkey.patch_all()  # Before all other imports, as gevent's documentation asks.

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import gevent
from blocking import (
    Flights,
    beat_or_compute,
    echo_connection,
    followed,
    leaf,
    listen,
    numbers_of,
    sleep_once,
    wait_and_compute,
)
from blocking_channel import Elements, play
from gevent.pool import Group
from gevent.queue import Queue
from gevent.server import StreamServer
from protocol import ECHO, SEED, Case, Run, Workloads, announce, serve, timed
from work import MASK_64, delays_ns, works


def give_way() -> None:
    gevent.sleep(0)


def gathered(flights: Flights, task: Callable[..., Any], arguments: Iterable[tuple]) -> list[Any]:
    """Results in order. raise_error, since joinall() is silent about failures otherwise."""
    tasks = [gevent.spawn(followed, flights, task, *each) for each in arguments]
    gevent.joinall(tasks, raise_error=True)
    return [task.value for task in tasks]


def sleeps(case: Case, flights: Flights) -> list[int]:
    return gathered(flights, sleep_once, ((delay,) for delay in delays_ns(case)))


def children(case: Case, first: int, depth: int, flights: Flights) -> list[int]:
    """The values of the tasks below one that has `depth` levels and whose leaves begin with the state
    `first`."""
    fan_out = case["fan_out"]
    if depth == 1:
        states = zip(range(first, first + fan_out), works(case, first))
        return gathered(flights, leaf, ((state, work, give_way) for state, work in states))
    width = fan_out ** (depth - 1)
    firsts = range(first, first + fan_out * width, width)
    return gathered(flights, inner, ((case, i, depth - 1, flights) for i in firsts))


def inner(case: Case, first: int, depth: int, flights: Flights) -> int:
    return sum(children(case, first, depth, flights)) & MASK_64


def gather(case: Case, flights: Flights) -> list[int]:
    return children(case, case[SEED], case["depth"], flights)


def heartbeat(case: Case, flights: Flights) -> list[int]:
    tasks = ((case, index, give_way) for index in range(case["tasks"] + 1))
    return numbers_of(gathered(flights, beat_or_compute, tasks))


def mix(case: Case, flights: Flights) -> list[int]:
    tasks = ((case, index) for index in range(case["tasks"]))
    return gathered(flights, wait_and_compute, tasks)


def fetch(case: Case, flights: Flights) -> list[int]:
    from blocking_fetch import get_in_turn

    return gathered(flights, get_in_turn, ((case, index) for index in range(case["connections"])))


def cancel(case: Case, flights: Flights) -> list[int]:
    """A greenlet is cancelled by kill(), which raises GreenletExit in it and waits until it has ended;
    that is its value, then. What it has started goes on unless it kills that, too: a Group does so
    for all that are in it at once."""
    begun = cleaned_up = woken = 0

    def sleeper() -> None:
        nonlocal begun, cleaned_up, woken
        begun += 1
        try:
            gevent.sleep(3600)
            woken += 1
        finally:
            cleaned_up += 1

    def sleep_all() -> None:
        group = Group()
        for _ in range(case["tasks"]):
            group.spawn(followed, flights, sleeper)
        try:
            group.join()
        finally:
            group.kill()

    background = gevent.spawn(sleep_all)
    while begun < case["tasks"]:
        give_way()
    start = time.monotonic_ns()
    background.kill()
    told = isinstance(background.value, gevent.GreenletExit)
    return [cleaned_up, woken, int(told), time.monotonic_ns() - start]


def channel(case: Case, flights: Flights) -> list[int]:
    elements = Elements(case, Queue)
    tasks = [(elements.push_all, index) for index in range(case["producers"])]
    tasks += [(elements.pop_all, index) for index in range(case["consumers"])]
    return numbers_of(gathered(flights, lambda task, index: task(index), tasks))


def ping_pong(case: Case, flights: Flights) -> list[int]:
    def pair(state: int) -> int:
        there, back = Queue(1), Queue(1)
        players = [(back, there, state, case["rounds"]), (there, back, None, case["rounds"])]
        return sum(gathered(flights, play, players))

    return gathered(flights, pair, ((case[SEED] + i,) for i in range(case["pairs"])))


def echo(case: Case, flights: Flights) -> tuple[float, list[int], list[int]]:
    """The server's own greenlets are the tasks."""
    accepted = Queue()

    def task(connection: Any, _: Any) -> int:
        return followed(flights, echo_connection, connection, case)

    def spawn(*call: Any) -> None:
        accepted.put(gevent.spawn(*call))

    def serve_all(_: Case) -> list[int]:
        server.start()
        tasks = [accepted.get() for _ in range(case["connections"])]
        gevent.joinall(tasks, raise_error=True)
        server.stop()
        return [task.value for task in tasks]

    with listen() as listener:
        server = StreamServer(listener, task, spawn=spawn)
        announce(listener.getsockname()[1])
        return timed(case, 1, serve_all)


WORKLOADS = Workloads(
    sleeps=sleeps,
    gather=gather,
    heartbeat=heartbeat,
    mix=mix,
    cancel=cancel,
    channel=channel,
    ping_pong=ping_pong,
    fetch=fetch,
    **dict.fromkeys(ECHO, echo),
)


def run(workload: str, case: Case, repeat: int, trace: bool) -> Run:
    flights: Any = [] if trace else None
    do = partial(WORKLOADS[workload], flights=flights)
    wall_s, results, sums = do(case) if workload in ECHO else timed(case, repeat, do)
    return Run(wall_s, results, flights or (), sums)


if __name__ == "__main__":
    serve(run, f"gevent {gevent.__version__}")
