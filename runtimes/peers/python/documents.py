"""The documents of fetch: which ones a task gets, and what of them it adds up."""

from collections.abc import Iterator
from typing import Any

from protocol import SEED, Case
from work import splitmix64


def urls_of(case: Case, task: int) -> Iterator[str]:
    first = case[SEED] + task * case["requests"]
    for request in range(first, first + case["requests"]):
        yield f"{case['url']}{splitmix64(request) % case['items']}"


def sum_of(url: str, status: int, document: Any) -> int:
    if status != 200:
        raise ValueError(f"{url}: status {status}, expected 200")
    return sum(document["values"])
