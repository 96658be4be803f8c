"""What tasks compute and for how long they sleep, by bench/README.md, in plain Python: its whole
numbers have no width, so each shift to the left is cut to its bits again."""

from collections.abc import Iterator
from itertools import chain, repeat

from protocol import SEED, Case

MASK_32 = 0xFFFF_FFFF
MASK_64 = 0xFFFF_FFFF_FFFF_FFFF


def leaf_value(state: int, steps: int) -> int:
    """Where so many steps of xorshift32 lead from the state of a leaf, modulo 2^32."""
    state &= MASK_32
    for _ in range(steps):
        state ^= (state << 13) & MASK_32
        state ^= state >> 17
        state ^= (state << 5) & MASK_32
    return state


def works(case: Case, first: int) -> Iterator[int]:
    """The steps of a leaf of gather that begins with the state `first`, and of those that follow it. The
    first of all have more."""
    heavy = max(case[SEED] + case["heavy_leaves"] - first, 0)
    return chain(repeat(case["heavy_work"], heavy), repeat(case["work"]))


def splitmix64(seed: int) -> int:
    z = (seed + 0x9E3779B97F4A7C15) & MASK_64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK_64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK_64
    return z ^ (z >> 31)


def delays_ns(case: Case) -> Iterator[int]:
    """Of each task of a case of sleeps, in order."""
    if case["listed_ns"]:
        yield from case["listed_ns"]
        return
    shortest, seed = case["shortest_ns"], int(case["seed"])
    choices = case["longest_ns"] - shortest + 1
    for index in range(case["tasks"]):
        yield shortest if choices == 1 else shortest + splitmix64(seed + index) % choices
