"""concurrent.futures.ThreadPoolExecutor, which Python's documentation recommends over bare threads.

* Tasks that wait (sleeps, mix, heartbeat) have a pool with a worker for each, up to MOST_THREADS:
  the documentation says that a pool for I/O wants more workers than cores, and with its default,
  cores + 4, ten thousand sleeps of 0.1 s would take minutes. The pool is made for one gather, with
  `with`, as all of the documentation's examples do.
* Tasks that compute (gather) have a pool with the default number of workers, which is kept:
  more threads do not help where one lock lets one thread run at a time.
* echo is socketserver.ThreadingTCPServer, the standard library's server with a thread a connection.
"""

import os
import socketserver
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from blocking import (
    MOST_WAITING,
    Flights,
    beat_or_compute,
    below_root,
    echo_connection,
    followed,
    give_way,
    numbers_of,
    sleep_once,
    wait_and_compute,
)
from protocol import PYTHON, Case, Run, announce, say, serve, timed
from work import delays_ns

MOST_THREADS = 10_000
computing_pool = ThreadPoolExecutor()


def pool_for(tasks: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=min(tasks, MOST_THREADS))


def sleeps(case: Case, flights: Flights) -> list[int]:
    with pool_for(case["tasks"]) as pool:
        return list(pool.map(lambda delay: followed(flights, sleep_once, delay), delays_ns(case)))


def gather(case: Case, flights: Flights) -> list[int]:
    def child(index: int) -> int:
        return followed(flights, below_root, case, index, give_way, flights)

    return list(computing_pool.map(child, range(case["fan_out"])))


def heartbeat(case: Case, flights: Flights) -> list[int]:
    tasks = case["tasks"] + 1
    with pool_for(tasks) as pool:
        pulses = pool.map(
            lambda index: followed(flights, beat_or_compute, case, index, give_way), range(tasks)
        )
        return numbers_of(list(pulses))


def mix(case: Case, flights: Flights) -> list[int]:
    with pool_for(case["tasks"]) as pool:
        tasks = range(case["tasks"])
        return list(pool.map(lambda i: followed(flights, wait_and_compute, case, i), tasks))


class EchoServer(socketserver.ThreadingTCPServer):
    request_queue_size = MOST_WAITING

    def __init__(self, size: int, flights: Flights) -> None:
        self.size = size
        self.flights = flights
        self.echoed: list[int] = []
        super().__init__(("127.0.0.1", 0), EchoHandler)


class EchoHandler(socketserver.BaseRequestHandler):
    server: EchoServer

    def handle(self) -> None:
        server = self.server
        server.echoed.append(followed(server.flights, echo_connection, self.request, server.size))


def serve_all(server: EchoServer, connections: int) -> list[int]:
    for _ in range(connections):
        server.handle_request()
    server.server_close()  # Waits for the threads.
    return server.echoed


def echo(case: Case, flights: Flights) -> tuple[float, list[int]]:
    server = EchoServer(case["buffer_bytes"], flights)
    announce(server.server_address[1])
    return timed(1, lambda: serve_all(server, case["connections"]))


WORKLOADS = {"sleeps": sleeps, "gather": gather, "heartbeat": heartbeat, "mix": mix}


def run(workload: str, case: Case, repeat: int, trace: bool) -> Run:
    flights: Any = [] if trace else None
    if workload == "echo":
        wall_s, results = echo(case, flights)
    else:
        wall_s, results = timed(repeat, lambda: WORKLOADS[workload](case, flights))
    return Run(wall_s, results, flights)


def run_within_limits(workload: str, case: Case, repeat: int, trace: bool) -> Run:
    try:
        return run(workload, case, repeat, trace)
    except RuntimeError as error:
        if "start new thread" not in str(error):
            raise
        say(limit=f"{error} (of {MOST_THREADS} at most)")
        # Threads that wait for tasks would keep the interpreter from its end.
        os._exit(1)


if __name__ == "__main__":
    serve(run_within_limits, PYTHON, task_limit=MOST_THREADS)
