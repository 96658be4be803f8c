"""concurrent.futures.ThreadPoolExecutor, which Python's documentation recommends over bare threads.

* Tasks that wait (sleeps, mix, heartbeat) have a pool with a worker for each, up to MOST_THREADS:
  the documentation says that a pool for I/O wants more workers than cores, and with its default,
  cores + 4, ten thousand sleeps of 0.1 s would take minutes. A pool starts a thread when it is given
  a task and none is idle.
* Tasks that compute (gather) have a pool with the default number of workers: more threads do not
  help where one lock lets one thread run at a time.
* Both pools are kept, and so are their threads: a pool of its own for each gather takes several
  times the CPU with 20 sleeps, and half as much again with 1,000 short tasks. It is ahead only with
  10,000 sleeps: there its threads start, and so wake, one after another, while those of a kept pool
  wake together and wait for the interpreter's lock, which each of them demands every 5 ms
  (sys.getswitchinterval).
* channel is queue.Queue. It cannot be closed before Python 3.13: whoever gets an END leaves.
* echo is socketserver.ThreadingTCPServer, the standard library's server with a thread a connection.
"""

import os
import queue
import socketserver
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NoReturn

from blocking import (
    MOST_WAITING,
    Flights,
    beat_or_compute,
    below_root,
    echo_connection,
    followed,
    numbers_of,
    release_lock,
    sleep_once,
    wait_and_compute,
)
from blocking_channel import Elements, play
from protocol import (
    ECHO,
    PYTHON,
    SEED,
    Case,
    NoWorkload,
    Run,
    Workloads,
    announce,
    say,
    serve,
    timed,
)
from work import delays_ns

MOST_THREADS = 10_000
waiting_pool = ThreadPoolExecutor(MOST_THREADS)
computing_pool = ThreadPoolExecutor()
giving_up = threading.Lock()


def give_up(error: BaseException | None) -> NoReturn:
    """Says why and ends the peer at once, from any thread: those that wait for tasks would keep the
    interpreter from its end. Who comes first has the word."""
    giving_up.acquire()
    if "start new thread" in str(error):
        say(limit=f"{error} (of {MOST_THREADS} at most)")
    else:
        say(error=f"{type(error).__name__}: {error}")
    os._exit(1)


def sleeps(case: Case, flights: Flights) -> list[int]:
    def sleep(delay_ns: int) -> int:
        return followed(flights, sleep_once, delay_ns)

    return list(waiting_pool.map(sleep, delays_ns(case)))


def gather(case: Case, flights: Flights) -> list[int]:
    def child(index: int) -> int:
        return followed(flights, below_root, case, index, release_lock, flights)

    return list(computing_pool.map(child, range(case["fan_out"])))


def heartbeat(case: Case, flights: Flights) -> list[int]:
    def task(index: int) -> tuple[int, int, int]:
        return followed(flights, beat_or_compute, case, index, release_lock)

    return numbers_of(list(waiting_pool.map(task, range(case["tasks"] + 1))))


def mix(case: Case, flights: Flights) -> list[int]:
    def task(index: int) -> int:
        return followed(flights, wait_and_compute, case, index)

    return list(waiting_pool.map(task, range(case["tasks"])))


def fetch(case: Case, flights: Flights) -> list[int]:
    from blocking_fetch import get_in_turn

    def task(index: int) -> int:
        return followed(flights, get_in_turn, case, index)

    return list(waiting_pool.map(task, range(case["connections"])))


def query(case: Case, flights: Flights) -> list[int]:
    from blocking_query import query_in_turn

    def task(index: int) -> int:
        return followed(flights, query_in_turn, case, index)

    return list(waiting_pool.map(task, range(case["connections"])))


def channel(case: Case, flights: Flights) -> list[int]:
    elements = Elements(case, queue.Queue)
    producers = case["producers"]

    def task(index: int) -> tuple[int, int, int]:
        if index < producers:
            return followed(flights, elements.push_all, index)
        return followed(flights, elements.pop_all, index - producers)

    return numbers_of(list(waiting_pool.map(task, range(producers + case["consumers"]))))


def ping_pong(case: Case, flights: Flights) -> list[int]:
    def pair(index: int) -> int:
        there = queue.Queue[int](1)
        back = queue.Queue[int](1)
        players = ((back, there, case[SEED] + index), (there, back, None))
        ends = waiting_pool.map(
            lambda player: followed(flights, play, *player, case["rounds"]), players
        )
        return sum(ends)

    def task(index: int) -> int:
        return followed(flights, pair, index)

    return list(waiting_pool.map(task, range(case["pairs"])))


class EchoServer(socketserver.ThreadingTCPServer):
    request_queue_size = MOST_WAITING

    def __init__(self, case: Case, flights: Flights) -> None:
        self.case = case
        self.flights = flights
        self.echoed: list[int] = []
        super().__init__(("127.0.0.1", 0), EchoHandler)

    def handle_error(self, request: Any, client_address: Any) -> NoReturn:
        """What a handler raises, or who starts its thread; by default it is printed, no more."""
        give_up(sys.exception())


class EchoHandler(socketserver.BaseRequestHandler):
    server: EchoServer

    def handle(self) -> None:
        server = self.server
        server.echoed.append(followed(server.flights, echo_connection, self.request, server.case))


def serve_all(server: EchoServer, connections: int) -> list[int]:
    for _ in range(connections):
        server.handle_request()
    server.server_close()  # Waits for the threads.
    return server.echoed


def echo(case: Case, flights: Flights) -> tuple[float, list[int], list[int]]:
    server = EchoServer(case, flights)
    announce(server.server_address[1])
    return timed(case, 1, lambda _: serve_all(server, case["connections"]))


WORKLOADS = Workloads(
    sleeps=sleeps,
    gather=gather,
    heartbeat=heartbeat,
    mix=mix,
    channel=channel,
    ping_pong=ping_pong,
    fetch=fetch,
    query=query,
)


def run(workload: str, case: Case, repeat: int, trace: bool) -> Run:
    flights: Any = [] if trace else None
    if workload in ECHO:
        wall_s, results, sums = echo(case, flights)
    else:
        gather = partial(WORKLOADS[workload], flights=flights)
        wall_s, results, sums = timed(case, repeat, gather)
    return Run(wall_s, results, flights, sums)


def run_within_limits(workload: str, case: Case, repeat: int, trace: bool) -> Run:
    try:
        return run(workload, case, repeat, trace)
    except NoWorkload:
        raise
    except Exception as error:
        give_up(error)


if __name__ == "__main__":
    serve(run_within_limits, PYTHON, task_limit=MOST_THREADS)
