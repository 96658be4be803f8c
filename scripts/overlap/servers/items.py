"""What the servers have to tell: bench/README.md says which values, so that clients can check them."""

import json

ITEMS = 1_000
VALUES = 16
ACCOUNTS = 100_000
_MASK = 2**64 - 1


def splitmix64(state: int) -> int:
    z = (state + 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def values_of(item: int) -> list[int]:
    return [splitmix64(VALUES * item + index) >> 32 for index in range(VALUES)]


def document(item: int) -> str:
    return json.dumps(
        {
            "item": item,
            "name": f"item {item}",
            "in_stock": item % 3 != 0,
            "price": item / 100,
            "tags": ["overlap", "fetch"],
            "values": values_of(item),
        }
    )
