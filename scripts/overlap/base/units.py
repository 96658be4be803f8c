"""Numbers for people: SI units in the records become three digits and a prefix in the tables."""

import math
from collections.abc import Sequence

Prefixes = Sequence[tuple[float, str]]

SECONDS: Prefixes = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"), (1e-12, "ps"))
BYTES: Prefixes = ((1e9, "GB"), (1e6, "MB"), (1e3, "KB"), (1.0, "B"))
NOT_MEASURED = "–"


def digits(value: float) -> str:
    """`value` with three significant digits, below 0.1 with two, and never in exponent notation."""
    magnitude = abs(float(f"{value:.3g}"))
    decimals = 0 if magnitude >= 100 else 1 if magnitude >= 10 else 2
    if 0 < magnitude < 0.1:
        decimals = 1 - math.floor(math.log10(magnitude))
    return f"{value:.{decimals}f}"


def _prefix(value: float, prefixes: Prefixes) -> tuple[float, str]:
    # Rounding comes first: 999.7 µs is 1.00 ms, not 1000 µs.
    magnitude = abs(float(f"{value:.3g}"))
    return next((p for p in prefixes if magnitude >= p[0]), prefixes[-1])


def quantity(value: float | None, prefixes: Prefixes) -> str:
    if value is None:
        return NOT_MEASURED
    if value == 0:
        return "0 " + next(unit for factor, unit in prefixes if factor == 1.0)
    factor, unit = _prefix(value, prefixes)
    return f"{digits(value / factor)} {unit}"


def seconds(value: float | None) -> str:
    return quantity(value, SECONDS)


def byte_count(value: float | None) -> str:
    """Decimal prefixes: 1 KB is 1,000 bytes."""
    return quantity(value, BYTES)


def several_seconds(values: Sequence[float | None], separator: str = " / ") -> str:
    """Durations with one unit for all of them, that of the middle one; each with its own where they
    are so far apart that one unit could not be read."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return NOT_MEASURED
    factor, unit = _prefix(known[len(known) // 2], SECONDS)
    if known[-1] / factor >= 10_000 or 0 < known[0] / factor < 0.01:
        return separator.join(map(seconds, values))
    texts = [NOT_MEASURED if value is None else digits(value / factor) for value in values]
    return f"{separator.join(texts)} {unit}"


def plain(value: float | None) -> str:
    """A number without a unit, such as a ratio or a concurrency; thousands are separated."""
    if value is None:
        return NOT_MEASURED
    return f"{value:,.0f}" if abs(value) >= 1000 else digits(value)


def share(value: float) -> str:
    """A share of one as a percentage: two digits below one per cent, which is where they matter."""
    return f"{value * 100:.2g}%" if value < 0.01 else f"{value * 100:.0f}%"


def duration(value: float) -> str:
    """A time to wait, as people say it."""
    if value < 90:
        return f"{max(1, round(value))} s"
    if value < 90 * 60:
        return f"{round(value / 60)} min"
    return f"{round(value / 3600):,} h"


def in_blocks(number: int | None) -> str:
    return f"{number or 0} block{'' if number == 1 else 's'}"


def time_left(value: float) -> str:
    return f"about {duration(value)} left"
