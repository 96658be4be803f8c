"""The workloads on trio: a nursery for each gather, whose tasks put their results where they belong, since
a nursery returns none. Its loop is that of one main task, which reads the requests while no other is there."""

import time
from collections.abc import Iterable
from typing import Any

import trio
from coroutines import Follow, Task, following, timed
from protocol import (
    ECHO,
    SEED,
    Case,
    NoWorkload,
    Run,
    Workloads,
    announce,
    requests,
)
from work import MASK_64, delays_ns, leaf_value, works

MOST_WAITING = 4096  # Connections that the kernel holds until they are accepted.


async def gathered(follow: Follow, tasks: Iterable[Task]) -> list[Any]:
    """Their results in order."""
    results: list[Any] = []

    async def put(place: int, task: Task) -> None:
        results[place] = await task

    async with trio.open_nursery() as nursery:
        for place, task in enumerate(tasks):
            results.append(None)
            nursery.start_soon(put, place, follow(task))
    return results


async def sleep_until(deadline_ns: int) -> int:
    """Returns the time. Whoever is due already yields."""
    await trio.sleep(max(deadline_ns - time.monotonic_ns(), 0) / 1e9)
    while (now := time.monotonic_ns()) < deadline_ns:
        await trio.sleep((deadline_ns - now) / 1e9)
    return now


async def sleep_once(delay_ns: int) -> int:
    deadline = time.monotonic_ns() + delay_ns
    return await sleep_until(deadline) - deadline


async def sleeps(case: Case, follow: Follow) -> list[int]:
    return await gathered(follow, map(sleep_once, delays_ns(case)))


async def leaf(state: int, work: int) -> int:
    await trio.lowlevel.checkpoint()
    return leaf_value(state, work)


async def inner(case: Case, first: int, depth: int, follow: Follow) -> int:
    return sum(await children(case, first, depth, follow)) & MASK_64


async def children(case: Case, first: int, depth: int, follow: Follow) -> list[int]:
    """The values of the tasks below one that has `depth` levels and whose leaves begin with the state
    `first`."""
    fan_out = case["fan_out"]
    if depth == 1:
        return await gathered(follow, map(leaf, range(first, first + fan_out), works(case, first)))
    width = fan_out ** (depth - 1)
    firsts = range(first, first + fan_out * width, width)
    return await gathered(follow, (inner(case, i, depth - 1, follow) for i in firsts))


async def gather(case: Case, follow: Follow) -> list[int]:
    return await children(case, case[SEED], case["depth"], follow)


async def beat_or_compute(case: Case, index: int) -> tuple[int, int, int]:
    """Task 0 beats, the others compute."""
    if index == 0:
        return await beat(case)
    value = 0
    for part in range(case["parts"]):
        await trio.lowlevel.checkpoint()
        state = case[SEED] + (index - 1) * case["parts"] + part
        value += leaf_value(state, case["work"])
    return value & MASK_64, 0, 0


async def beat(case: Case) -> tuple[int, int, int]:
    longest_ns = 0
    first = last = time.monotonic_ns()
    for _ in range(case["beats"]):
        now = await sleep_until(last + case["interval_ns"])
        longest_ns = max(longest_ns, now - last)
        last = now
    return 0, longest_ns, (last - first) // case["beats"]


async def heartbeat(case: Case, follow: Follow) -> list[int]:
    tasks = (beat_or_compute(case, index) for index in range(case["tasks"] + 1))
    return [number for pulse in await gathered(follow, tasks) for number in pulse]


async def wait_and_compute(case: Case, index: int) -> int:
    value = 0
    for turn in range(case["rounds"]):
        await sleep_once(case["wait_ns"])
        value += leaf_value(case[SEED] + index * case["rounds"] + turn, case["work"])
    return value & MASK_64


async def mix(case: Case, follow: Follow) -> list[int]:
    return await gathered(follow, (wait_and_compute(case, index) for index in range(case["tasks"])))


async def cancel(case: Case, follow: Follow) -> list[int]:
    """A scope cancels all that is in it. Leaving the nursery is joining its tasks, and the scope says
    whether it has caught their cancelling."""
    begun = cleaned_up = woken = 0

    async def sleeper() -> None:
        nonlocal begun, cleaned_up, woken
        begun += 1
        try:
            await trio.sleep(3600)
            woken += 1
        finally:
            cleaned_up += 1

    async def begin_and_sleep() -> None:
        await follow(sleeper())

    with trio.CancelScope() as scope:
        async with trio.open_nursery() as background:
            for _ in range(case["tasks"]):
                background.start_soon(begin_and_sleep)
            while begun < case["tasks"]:
                await trio.lowlevel.checkpoint()
            start = time.monotonic_ns()
            scope.cancel()
    return [cleaned_up, woken, int(scope.cancelled_caught), time.monotonic_ns() - start]


class Elements:
    """How far the two ends of a memory channel have come. It is closed when each producer has closed its
    clone of the end to send to."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.pushed = self.popped = 0

    async def push_all(self, producer: int, end: trio.MemorySendChannel) -> tuple[int, int, int]:
        """How many, the most that the channel held, and the longest time for which it was full."""
        count = self.case["elements"]
        most_held = longest_ns = 0
        async with end:
            for number in range(count):
                try:
                    end.send_nowait((producer, number))
                except trio.WouldBlock:
                    full = time.monotonic_ns()
                    most_held = max(most_held, self.pushed - self.popped)
                    await end.send((producer, number))
                    longest_ns = max(longest_ns, time.monotonic_ns() - full)
                self.pushed += 1
            most_held = max(most_held, self.pushed - self.popped)
        return count, most_held, longest_ns

    async def pop_all(self, consumer: int, end: trio.MemoryReceiveChannel) -> tuple[int, int, int]:
        """How many, their sum, and how many came out of order."""
        case = self.case
        count = total = disordered = 0
        expected = [0] * case["producers"]
        slow_ns = case["slow_ns"] if consumer == 0 else 0
        async for producer, number in end:
            count += 1
            self.popped += 1
            total += case[SEED] + producer * case["elements"] + number
            disordered += number < expected[producer]
            expected[producer] = number + 1
            if slow_ns:
                await sleep_once(slow_ns)
        return count, total & MASK_64, disordered


async def channel(case: Case, follow: Follow) -> list[int]:
    elements = Elements(case)
    to_send, to_receive = trio.open_memory_channel(case["capacity"])
    async with to_send:
        tasks = [elements.push_all(i, to_send.clone()) for i in range(case["producers"])]
    tasks += [elements.pop_all(i, to_receive) for i in range(case["consumers"])]
    return [number for one in await gathered(follow, tasks) for number in one]


async def play(
    come: trio.MemoryReceiveChannel, go: trio.MemorySendChannel, state: int | None, rounds: int
) -> int:
    """Whoever has a state serves, and has the ball in the end."""
    serves = state is not None
    for _ in range(rounds):
        ball = await come.receive() if state is None else state
        await go.send(leaf_value(ball, 1))
        state = None
    return await come.receive() if serves else 0


async def play_pair(state: int, rounds: int, follow: Follow) -> int:
    to_other, from_server = trio.open_memory_channel(1)
    to_server, from_other = trio.open_memory_channel(1)
    players = [
        play(from_other, to_other, state, rounds),
        play(from_server, to_server, None, rounds),
    ]
    return sum(await gathered(follow, players))


async def ping_pong(case: Case, follow: Follow) -> list[int]:
    pairs = [play_pair(case[SEED] + i, case["rounds"], follow) for i in range(case["pairs"])]
    return await gathered(follow, pairs)


async def echo_connection(stream: trio.SocketStream, case: Case) -> int:
    """TCP_NODELAY is trio's default. Without a deadline the case's is none."""
    echoed = 0
    size, deadline_ns = case["buffer_bytes"], case.get("deadline_ns")
    while True:
        if deadline_ns:
            with trio.fail_after(deadline_ns / 1e9):
                data = await stream.receive_some(size)
        else:
            data = await stream.receive_some(size)
        if not data:
            return echoed
        await stream.send_all(data)
        echoed += len(data)


async def echo(case: Case, follow: Follow) -> tuple[float, list[int], list[int]]:
    """serve_listeners() starts a task for each connection, closes it in the end, and goes on until it is
    cancelled."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=MOST_WAITING)
    echoed: list[int] = []
    announce(listeners[0].socket.getsockname()[1])
    start = time.perf_counter()
    async with trio.open_nursery() as nursery:

        async def serve_one(stream: trio.SocketStream) -> None:
            echoed.append(await follow(echo_connection(stream, case)))
            if len(echoed) == case["connections"]:
                nursery.cancel_scope.cancel()

        await trio.serve_listeners(serve_one, listeners, handler_nursery=nursery)
    return time.perf_counter() - start, echoed, []


WORKLOADS = Workloads(
    sleeps=sleeps,
    gather=gather,
    heartbeat=heartbeat,
    mix=mix,
    cancel=cancel,
    channel=channel,
    ping_pong=ping_pong,
)


async def run(workload: str, case: Case, repeat: int, trace: bool) -> Run:
    flights: list[tuple[int, int]] = []
    follow = following(flights, trace)
    if workload in ECHO:
        wall_s, results, sums = await echo(case, follow)
    else:
        wall_s, results, sums = await timed(WORKLOADS[workload], case, repeat, follow)
    return Run(wall_s, results, flights, sums)


async def main() -> None:
    for asked in requests(f"trio {trio.__version__}"):
        try:
            asked.done = await run(asked.workload, asked.case, asked.repeat, asked.trace)
        except NoWorkload:
            pass


if __name__ == "__main__":
    trio.run(main)
