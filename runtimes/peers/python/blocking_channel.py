"""The ends of channels as functions that block, on a queue with the methods of queue.Queue. Those
cannot be closed before Python 3.13: whoever gets an END leaves."""

import queue
import time
from collections.abc import Callable
from typing import Any

from blocking import sleep_until
from protocol import SEED, Case
from work import MASK_64, leaf_value


class Elements:
    """A channel of bounded size, and how far each of its ends has come. `queue_of` makes a queue that
    holds so many at most."""

    END = (-1, 0)

    def __init__(self, case: Case, queue_of: Callable[[int], Any]) -> None:
        self.case = case
        self.queue = queue_of(case["capacity"])
        self.pushed = [0] * case["producers"]
        self.popped = [0] * case["consumers"]
        self.ended: list[int] = []

    def held(self) -> int:
        """Or less: what was pushed is read first."""
        pushed = sum(self.pushed)
        return max(pushed - sum(self.popped), 0)

    def push_all(self, producer: int) -> tuple[int, int, int]:
        """How many, the most that the channel held, and the longest time for which it was full."""
        count = self.case["elements"]
        most_held = longest_ns = 0
        for number in range(count):
            try:
                self.queue.put_nowait((producer, number))
            except queue.Full:
                full = time.monotonic_ns()
                most_held = max(most_held, self.held())
                self.queue.put((producer, number))
                longest_ns = max(longest_ns, time.monotonic_ns() - full)
            self.pushed[producer] = number + 1
        most_held = max(most_held, self.held())
        self.ended.append(producer)  # In one step, so that one of them sees all.
        if len(self.ended) == self.case["producers"] and self.ended[-1] == producer:
            for _ in self.popped:
                self.queue.put(self.END)
        return count, most_held, longest_ns

    def pop_all(self, consumer: int) -> tuple[int, int, int]:
        """How many, their sum, and how many came out of order."""
        case = self.case
        count = total = disordered = 0
        expected = [0] * case["producers"]
        slow_ns = case["slow_ns"] if consumer == 0 else 0
        while (element := self.queue.get()) is not self.END:
            producer, number = element
            count += 1
            self.popped[consumer] = count
            total += case[SEED] + producer * case["elements"] + number
            disordered += number < expected[producer]
            expected[producer] = number + 1
            if slow_ns:
                sleep_until(time.monotonic_ns() + slow_ns)
        return count, total & MASK_64, disordered


def play(come: Any, go: Any, state: int | None, rounds: int) -> int:
    """Whoever has a state serves, and has the ball in the end."""
    serves = state is not None
    for _ in range(rounds):
        ball = come.get() if state is None else state
        go.put(leaf_value(ball, 1))
        state = None
    return come.get() if serves else 0
