"""The accounts of query: which ones a task asks for."""

from collections.abc import Iterator

from protocol import SEED, Case
from work import splitmix64


def keys_of(case: Case, task: int) -> Iterator[int]:
    first = case[SEED] + task * case["queries"]
    for query in range(first, first + case["queries"]):
        yield splitmix64(query) % case["accounts"] + 1
