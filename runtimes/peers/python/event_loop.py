"""The workloads on an asyncio event loop, whichever it is: coroutines, gathered on one thread.

asyncio.gather rather than a TaskGroup: it returns the results in order, which is what is asked for.
"""

from __future__ import annotations  # PyPy is of an older Python.

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from accounts import keys_of
from coroutines import Follow, Task, following, timed
from documents import sum_of, urls_of
from protocol import (
    ECHO,
    SEED,
    Case,
    NoWorkload,
    Run,
    Workloads,
    announce,
    serve,
)
from work import MASK_64, delays_ns, leaf_value, works

MOST_WAITING = 4096  # Connections that the kernel holds until they are accepted.


async def sleep_until(deadline_ns: int) -> int:
    """Returns the time. A loop on libuv counts whole milliseconds and may wake a task early: then
    it sleeps again."""
    now = time.monotonic_ns()
    await asyncio.sleep((deadline_ns - now) / 1e9)
    while (now := time.monotonic_ns()) < deadline_ns:
        await asyncio.sleep(0.001)
    return now


async def sleep_once(delay_ns: int) -> int:
    deadline = time.monotonic_ns() + delay_ns
    await asyncio.sleep(delay_ns / 1e9)
    while (late := time.monotonic_ns() - deadline) < 0:
        await asyncio.sleep(0.001)
    return late


async def sleeps(case: Case, follow: Follow) -> list[int]:
    return await asyncio.gather(*(follow(sleep_once(delay)) for delay in delays_ns(case)))


async def leaf(state: int, work: int) -> int:
    await asyncio.sleep(0)
    return leaf_value(state, work)


async def inner(case: Case, first: int, depth: int, follow: Follow) -> int:
    return sum(await children(case, first, depth, follow)) & MASK_64


async def children(case: Case, first: int, depth: int, follow: Follow) -> list[int]:
    """The values of the tasks below one that has `depth` levels and whose leaves begin with the state
    `first`."""
    fan_out = case["fan_out"]
    if depth == 1:
        states = range(first, first + fan_out)
        leaves = (leaf(state, work) for state, work in zip(states, works(case, first)))
        return await asyncio.gather(*map(follow, leaves))
    width = fan_out ** (depth - 1)
    firsts = range(first, first + fan_out * width, width)
    return await asyncio.gather(*(follow(inner(case, i, depth - 1, follow)) for i in firsts))


async def gather(case: Case, follow: Follow) -> list[int]:
    return await children(case, case[SEED], case["depth"], follow)


async def beat(case: Case) -> tuple[int, int, int]:
    longest_ns = 0
    first = last = time.monotonic_ns()
    for _ in range(case["beats"]):
        now = await sleep_until(last + case["interval_ns"])
        longest_ns = max(longest_ns, now - last)
        last = now
    return 0, longest_ns, (last - first) // case["beats"]


async def compute_in_parts(case: Case, index: int) -> tuple[int, int, int]:
    value = 0
    for part in range(case["parts"]):
        await asyncio.sleep(0)
        value += leaf_value(case[SEED] + index * case["parts"] + part, case["work"])
    return value & MASK_64, 0, 0


async def heartbeat(case: Case, follow: Follow) -> list[int]:
    computing = (compute_in_parts(case, index) for index in range(case["tasks"]))
    pulses = await asyncio.gather(follow(beat(case)), *map(follow, computing))
    return [number for pulse in pulses for number in pulse]


async def wait_and_compute(case: Case, index: int) -> int:
    value = 0
    for turn in range(case["rounds"]):
        await sleep_until(time.monotonic_ns() + case["wait_ns"])
        value += leaf_value(case[SEED] + index * case["rounds"] + turn, case["work"])
    return value & MASK_64


async def mix(case: Case, follow: Follow) -> list[int]:
    tasks = (follow(wait_and_compute(case, index)) for index in range(case["tasks"]))
    return await asyncio.gather(*tasks)


async def cancel(case: Case, follow: Follow) -> list[int]:
    """A gather is a future of its own: who cancels it cancels its tasks, and who awaits it is told when
    all of them have ended."""
    begun = cleaned_up = woken = told = 0

    async def sleeper() -> None:
        nonlocal begun, cleaned_up, woken
        begun += 1
        try:
            await asyncio.sleep(3600)
            woken += 1
        finally:
            cleaned_up += 1

    background = asyncio.gather(*(follow(sleeper()) for _ in range(case["tasks"])))
    while begun < case["tasks"]:
        await asyncio.sleep(0)
    start = time.monotonic_ns()
    background.cancel()
    try:
        await background
    except asyncio.CancelledError:
        told = 1
    return [cleaned_up, woken, told, time.monotonic_ns() - start]


class Elements:
    """A channel of bounded size, and how far its ends have come. asyncio.Queue cannot be closed: whoever
    pops an END leaves."""

    END = (-1, 0)

    def __init__(self, case: Case) -> None:
        self.case = case
        self.queue = asyncio.Queue[tuple[int, int]](case["capacity"])
        self.pushed = self.popped = self.done = 0

    async def push_all(self, producer: int) -> tuple[int, int, int]:
        """How many, the most that the channel held, and the longest time for which it was full."""
        queue, count = self.queue, self.case["elements"]
        most_held = longest_ns = 0
        for number in range(count):
            if not queue.full():
                queue.put_nowait((producer, number))
            else:
                full = time.monotonic_ns()
                most_held = max(most_held, self.pushed - self.popped)
                await queue.put((producer, number))
                longest_ns = max(longest_ns, time.monotonic_ns() - full)
            self.pushed += 1
        most_held = max(most_held, self.pushed - self.popped)
        self.done += 1
        if self.done == self.case["producers"]:
            for _ in range(self.case["consumers"]):
                await queue.put(self.END)
        return count, most_held, longest_ns

    async def pop_all(self, consumer: int) -> tuple[int, int, int]:
        """How many, their sum, and how many came out of order."""
        case = self.case
        count = total = disordered = 0
        expected = [0] * case["producers"]
        slow_ns = case["slow_ns"] if consumer == 0 else 0
        while (element := await self.queue.get()) is not self.END:
            producer, number = element
            count += 1
            self.popped += 1
            total += case[SEED] + producer * case["elements"] + number
            disordered += number < expected[producer]
            expected[producer] = number + 1
            if slow_ns:
                await sleep_until(time.monotonic_ns() + slow_ns)
        return count, total & MASK_64, disordered


async def channel(case: Case, follow: Follow) -> list[int]:
    elements = Elements(case)
    pushing = (elements.push_all(index) for index in range(case["producers"]))
    popping = (elements.pop_all(index) for index in range(case["consumers"]))
    traffic = await asyncio.gather(*map(follow, pushing), *map(follow, popping))
    return [number for one in traffic for number in one]


async def play(
    come: asyncio.Queue[int], go: asyncio.Queue[int], state: int | None, rounds: int
) -> int:
    """Whoever has a state serves, and has the ball in the end."""
    serves = state is not None
    for _ in range(rounds):
        ball = await come.get() if state is None else state
        await go.put(leaf_value(ball, 1))
        state = None
    return await come.get() if serves else 0


async def play_pair(state: int, rounds: int, follow: Follow) -> int:
    there = asyncio.Queue[int](1)
    back = asyncio.Queue[int](1)
    ends = await asyncio.gather(
        follow(play(back, there, state, rounds)), follow(play(there, back, None, rounds))
    )
    return ends[0]


async def ping_pong(case: Case, follow: Follow) -> list[int]:
    pairs = (play_pair(case[SEED] + i, case["rounds"], follow) for i in range(case["pairs"]))
    return await asyncio.gather(*map(follow, pairs))


async def get_in_turn(session: Any, case: Case, task: int) -> int:
    total = 0
    for url in urls_of(case, task):
        async with session.get(url) as answer:
            total += sum_of(url, answer.status, await answer.json())
    return total


async def fetch(case: Case, follow: Follow) -> list[int]:
    """A session that all tasks share, with as many connections as there are tasks. aiohttp is not part of
    Python; loading it is no part of other workloads."""
    try:
        from aiohttp import ClientSession, TCPConnector
    except ImportError as error:
        raise NoWorkload("fetch") from error
    connector = TCPConnector(limit=case["connections"], force_close=not case["kept"])
    async with ClientSession(connector=connector) as session:
        tasks = (follow(get_in_turn(session, case, task)) for task in range(case["connections"]))
        return await asyncio.gather(*tasks)


async def query_in_turn(connect: Any, case: Case, task: int) -> int:
    connection = await connect(case["server"], ssl=False)
    try:
        statement = await connection.prepare(case["statement"])
        total = 0
        for key in keys_of(case, task):
            total += await statement.fetchval(key)
        return total
    finally:
        await connection.close()


async def query(case: Case, follow: Follow) -> list[int]:
    """asyncpg is not part of Python; loading it is no part of other workloads."""
    try:
        from asyncpg import connect
    except ImportError as error:
        raise NoWorkload("query") from error
    tasks = (follow(query_in_turn(connect, case, task)) for task in range(case["connections"]))
    return await asyncio.gather(*tasks)


def plainly(read: Awaitable[bytes]) -> Awaitable[bytes]:
    return read


async def echo_connection(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    size: int,
    in_time: Callable[[Awaitable[bytes]], Awaitable[bytes]],
) -> int:
    echoed = 0
    while data := await in_time(reader.read(size)):
        writer.write(data)
        await writer.drain()
        echoed += len(data)
    writer.close()
    await writer.wait_closed()
    return echoed


async def echo(case: Case, follow: Follow) -> tuple[float, list[int], list[int]]:
    """Streams, as the documentation's own echo server; TCP_NODELAY is asyncio's default. With a deadline
    on each read if the case has one."""
    connections = asyncio.Queue[Awaitable[int]]()
    deadline_s = case.get("deadline_ns", 0) / 1e9

    async def in_time(read: Awaitable[bytes]) -> bytes:
        async with asyncio.timeout(deadline_s):
            return await read

    async def in_time_by_a_task(read: Awaitable[bytes]) -> bytes:
        return await asyncio.wait_for(read, deadline_s)

    # Before Python 3.11 there is wait_for() only, which makes a task of what it waits for.
    bounded = in_time if hasattr(asyncio, "timeout") else in_time_by_a_task
    each = bounded if deadline_s else plainly

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = follow(echo_connection(reader, writer, case["buffer_bytes"], each))
        connections.put_nowait(asyncio.create_task(task))

    server = await asyncio.start_server(accepted, "127.0.0.1", 0, backlog=MOST_WAITING)
    async with server:
        announce(server.sockets[0].getsockname()[1])
        start = time.perf_counter()
        tasks = [await connections.get() for _ in range(case["connections"])]
        echoed = await asyncio.gather(*tasks)
        return time.perf_counter() - start, echoed, []


WORKLOADS = Workloads(
    sleeps=sleeps,
    gather=gather,
    heartbeat=heartbeat,
    mix=mix,
    cancel=cancel,
    channel=channel,
    ping_pong=ping_pong,
    fetch=fetch,
    query=query,
)


def serve_on(loop_factory: Callable[[], asyncio.AbstractEventLoop] | None, version: str) -> None:
    """Answers requests on one event loop, which is kept from run to run."""
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        serve_by(runner.run, version)


def serve_by(run_to_end: Callable[[Task], Any], version: str) -> None:
    """Answers requests with what has a loop run until a coroutine ends."""

    def run(workload: str, case: Case, repeat: int, trace: bool) -> Run:
        flights: list[tuple[int, int]] = []
        follow = following(flights, trace)
        if workload in ECHO:
            main = echo(case, follow)
        else:
            main = timed(WORKLOADS[workload], case, repeat, follow)
        wall_s, results, sums = run_to_end(main)
        return Run(wall_s, results, flights, sums)

    serve(run, version)
