"""The order in which a block takes its samples: balanced, seeded, the same for the same seed."""

import random
from collections.abc import Sequence


def williams_design(count: int) -> list[list[int]]:
    """Orders of `count` treatments in which each has every place equally often and follows every
    other equally often: `count` orders if that is even, twice as many if it is odd.

    Source: E. J. Williams, "Experimental designs balanced for the estimation of residual effects of
    treatments", Australian Journal of Scientific Research A 2 (1949): zigzag through a cycle, then
    turn the cycle; for odd counts add each order backwards.
    """
    zigzag = [(-(place // 2) if place % 2 == 0 else (place + 1) // 2) for place in range(count)]
    orders = [[(step + turn) % count for step in zigzag] for turn in range(count)]
    if count % 2:
        orders += [order[::-1] for order in orders]
    return orders


def balanced_order(names: Sequence[str], block: int, seed: str) -> list[str]:
    """The order of `names` in block number `block`. Which name has which place in the design, and
    which order comes first, follows from the seed; consecutive blocks turn through the design, so
    that over `len(names)` blocks every name has every place once."""
    if not names:
        return []
    chance = random.Random(seed)
    shuffled = chance.sample(list(names), len(names))
    count = len(names)
    design = williams_design(count)
    turns = chance.sample(range(count), count)
    mirrored = count if count % 2 and (block // count) % 2 else 0
    return [shuffled[index] for index in design[mirrored + turns[block % count]]]


def block_order(rows: Sequence[tuple[str, str]], block: int, seed: int) -> list[str]:
    """The rows of one block, each once. `rows` are pairs of a row's name and its case's name;
    backends of one case stay adjacent, since only they are compared with each other."""
    cases: dict[str, list[str]] = {}
    for row, case in rows:
        cases.setdefault(case, []).append(row)
    return [
        row
        for case in balanced_order(list(cases), block, f"{seed}/cases")
        for row in balanced_order(cases[case], block, f"{seed}/{case}")
    ]
