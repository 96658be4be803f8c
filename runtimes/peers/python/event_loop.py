"""The workloads on an asyncio event loop, whichever it is: coroutines, gathered on one thread.

asyncio.gather rather than a TaskGroup: it returns the results in order, which is what is asked for.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from protocol import SEED, Case, Run, Workloads, announce, next_repetition, serve
from work import MASK_64, delays_ns, leaf_value, works

MOST_WAITING = 4096  # Connections that the kernel holds until they are accepted.
Task = Coroutine[Any, Any, Any]
Follow = Callable[[Task], Task]


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


async def echo_connection(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, size: int
) -> int:
    echoed = 0
    while data := await reader.read(size):
        writer.write(data)
        await writer.drain()
        echoed += len(data)
    writer.close()
    await writer.wait_closed()
    return echoed


async def echo(case: Case, follow: Follow) -> tuple[float, list[int], list[int]]:
    """Streams, as the documentation's own echo server; TCP_NODELAY is asyncio's default."""
    connections = asyncio.Queue[Awaitable[int]]()

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = follow(echo_connection(reader, writer, case["buffer_bytes"]))
        connections.put_nowait(asyncio.create_task(task))

    server = await asyncio.start_server(accepted, "127.0.0.1", 0, backlog=MOST_WAITING)
    async with server:
        announce(server.sockets[0].getsockname()[1])
        start = time.perf_counter()
        tasks = [await connections.get() for _ in range(case["connections"])]
        echoed = await asyncio.gather(*tasks)
        return time.perf_counter() - start, echoed, []


async def timed(
    workload: Callable[[Case, Follow], Awaitable[list[int]]],
    case: Case,
    repeat: int,
    follow: Follow,
) -> tuple[float, list[int], list[int]]:
    """As protocol.timed() has it."""
    sums = []
    start = time.perf_counter()
    results = await workload(case, follow)
    for _ in range(repeat - 1):
        sums.append(sum(results))
        case = next_repetition(case)
        results = await workload(case, follow)
    return time.perf_counter() - start, results, sums


WORKLOADS = Workloads(sleeps=sleeps, gather=gather, heartbeat=heartbeat, mix=mix)


def serve_on(loop_factory: Callable[[], asyncio.AbstractEventLoop] | None, version: str) -> None:
    """Answers requests on one event loop, which is kept from run to run."""
    with asyncio.Runner(loop_factory=loop_factory) as runner:

        def run(workload: str, case: Case, repeat: int, trace: bool) -> Run:
            flights: list[tuple[int, int]] = []

            async def traced(task: Task) -> Any:
                start = time.monotonic_ns()
                result = await task
                flights.append((start, time.monotonic_ns()))
                return result

            follow = traced if trace else lambda task: task
            if workload == "echo":
                main = echo(case, follow)
            else:
                main = timed(WORKLOADS[workload], case, repeat, follow)
            wall_s, results, sums = runner.run(main)
            return Run(wall_s, results, flights, sums)

        serve(run, version)
