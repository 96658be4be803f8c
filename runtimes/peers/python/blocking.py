"""The tasks of the workloads as functions that block: for threads, processes and plain Python.

Each takes `flights`, a list to which tasks add when they began and ended, or None.
"""

import os
import select
import socket
import time
from collections.abc import Callable, Iterable
from typing import Any

from protocol import SEED, Case
from work import MASK_64, leaf_value, works

MOST_WAITING = 4096  # Connections that the kernel holds until they are accepted.
Flights = list[tuple[int, int]] | None


def cores() -> int:
    """That this process may run on: os.cpu_count() is those of the machine."""
    return len(os.sched_getaffinity(0))


def listen() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0), backlog=MOST_WAITING)


def followed(flights: Flights, task: Callable[..., Any], *arguments: Any) -> Any:
    """Runs a task, and notes when it was in flight if that is asked for."""
    if flights is None:
        return task(*arguments)
    start = time.monotonic_ns()
    try:
        return task(*arguments)
    finally:
        flights.append((start, time.monotonic_ns()))


def release_lock() -> None:
    """How a thread gives way: others want the interpreter's lock, and a system call that blocks lets
    go of it. Waiting for nothing is what time.sleep(0) was up to Python 3.10; since then that waits
    for the kernel's slack of timers, 50 us (python/cpython#125997). os.sched_yield() keeps the lock
    before Python 3.12."""
    select.select((), (), (), 0)


def stay() -> None:
    """In place of giving way where there is nobody to give way to."""


def sleep_until(deadline_ns: int) -> int:
    """Returns the time."""
    while (now := time.monotonic_ns()) < deadline_ns:
        time.sleep((deadline_ns - now) / 1e9)
    return now


def sleep_once(delay_ns: int) -> int:
    deadline = time.monotonic_ns() + delay_ns
    time.sleep(delay_ns / 1e9)
    return sleep_until(deadline) - deadline


def leaf(state: int, work: int, give_way: Callable[[], None]) -> int:
    give_way()
    return leaf_value(state, work)


def below_root(case: Case, child: int, give_way: Callable[[], None], flights: Flights) -> int:
    """The value of a child of the root, which is a leaf or a tree of its own. The gathers in a tree
    run in the task that they belong to, one task after another: a task that waited for tasks of its
    own pool would keep a worker from them (Python's documentation warns of the deadlock)."""
    return _node(case, child, case["depth"] - 1, give_way, flights)


def _node(
    case: Case, position: int, depth: int, give_way: Callable[[], None], flights: Flights
) -> int:
    """The value of the task at a position of its level, `depth` levels above the leaves."""
    if depth == 0:
        state = case[SEED] + position
        return leaf(state, next(works(case, state)), give_way)
    first = position * case["fan_out"]
    values = [
        followed(flights, _node, case, first + i, depth - 1, give_way, flights)
        for i in range(case["fan_out"])
    ]
    return sum(values) & MASK_64


def beat(case: Case) -> tuple[int, int, int]:
    longest_ns = 0
    first = last = time.monotonic_ns()
    for _ in range(case["beats"]):
        now = sleep_until(last + case["interval_ns"])
        longest_ns = max(longest_ns, now - last)
        last = now
    return 0, longest_ns, (last - first) // case["beats"]


def beat_or_compute(case: Case, index: int, give_way: Callable[[], None]) -> tuple[int, int, int]:
    """Task 0 beats, the others compute."""
    if index == 0:
        return beat(case)
    value = 0
    for part in range(case["parts"]):
        give_way()
        state = case[SEED] + (index - 1) * case["parts"] + part
        value += leaf_value(state, case["work"])
    return value & MASK_64, 0, 0


def wait_and_compute(case: Case, index: int) -> int:
    value = 0
    for turn in range(case["rounds"]):
        sleep_once(case["wait_ns"])
        value += leaf_value(case[SEED] + index * case["rounds"] + turn, case["work"])
    return value & MASK_64


def echo_connection(connection: socket.socket, case: Case) -> int:
    """socket.socket is what blocking Python reads from and writes to; unlike asyncio, it leaves
    TCP_NODELAY to the caller. Its time-out holds for each call."""
    echoed = 0
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if deadline_ns := case.get("deadline_ns"):
            connection.settimeout(deadline_ns / 1e9)
        while data := connection.recv(case["buffer_bytes"]):
            connection.sendall(data)
            echoed += len(data)
    return echoed


def accept_and_echo(listener: socket.socket, case: Case) -> int:
    return echo_connection(listener.accept()[0], case)


def numbers_of(pulses: Iterable[tuple[int, int, int]]) -> list[int]:
    return [number for pulse in pulses for number in pulse]
