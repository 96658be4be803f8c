"""Numbers as people write them: `20ms`, `1.5 GB`, `2,000`, `10k`. For an option's `type`: what cannot
be read is an argparse.ArgumentTypeError of one line."""

import argparse
import re
from collections.abc import Callable, Mapping

DURATIONS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0}
DURATIONS |= {"min": 60.0, "h": 3600.0}
# Decimal, as in the tables; those of two are written with an i.
SIZES = {"B": 1.0, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}
SIZES |= {"KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30, "TiB": 2.0**40}
COUNTS = {"": 1.0, "k": 1e3, "M": 1e6}
LONGEST_S = 3600.0  # What a workload file allows.

NUMBER = r"([0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?|\.[0-9]+)"


def _parsed(text: str, units: Mapping[str, float], what: str) -> float:
    """In the units' common unit. A zero needs none."""
    found = re.fullmatch(rf"\s*{NUMBER}\s*([^\W\d_]*)\s*", text)
    wrong = argparse.ArgumentTypeError(f"{text[:30]!r}: expected {what}")
    if not found or len(text) > 30:
        raise wrong
    number = float(found[1].replace(",", "").replace("_", ""))
    folded = {unit.lower(): factor for unit, factor in units.items()}
    if number == 0 and not found[2]:
        return 0.0
    if found[2].lower() not in folded:
        raise wrong
    return number * folded[found[2].lower()]


def duration(text: str) -> float:
    """Seconds, from 0 to an hour."""
    value = _parsed(text, DURATIONS, "a duration such as 200us, 20ms, 1.5s or 2min")
    if value > LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text!r}: expected at most an hour")
    return value


def size(text: str) -> float:
    """Bytes, at least one."""
    value = _parsed(text, SIZES, "a size such as 512MB, 1GB or 2GiB")
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected at least a byte")
    return value


def count(most: int) -> Callable[[str], int]:
    """Reads whole numbers from 1 to `most`."""
    what = f"a whole number from 1 to {most:,}, such as 2,000 or 10k"

    def read(text: str) -> int:
        value = _parsed(text, COUNTS, what)
        if not 1 <= value <= most or value != int(value):
            raise argparse.ArgumentTypeError(f"{text[:30]!r}: expected {what}")
        return int(value)

    return read
