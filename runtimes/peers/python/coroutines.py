"""What peers share whose tasks are coroutines, whichever loop runs them."""

from __future__ import annotations  # PyPy is of an older Python.

import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from protocol import Case, next_repetition

Task = Coroutine[Any, Any, Any]
Follow = Callable[[Task], Task]


def following(flights: list[tuple[int, int]], trace: bool) -> Follow:
    """What makes of a task one that notes when it is in flight, if that is asked for."""

    async def traced(task: Task) -> Any:
        start = time.monotonic_ns()
        try:
            return await task
        finally:
            flights.append((start, time.monotonic_ns()))

    return traced if trace else lambda task: task


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
