"""The knee of a backend: the highest rate at which a percentile of its latency stays within a bound."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from overlap.base.exits import UsageError
from overlap.base.units import seconds
from overlap.judge.curves import Curve, Estimate, Family, estimate
from overlap.judge.series import gate_name

PERCENTILES = ("p50", "p99", "p999")
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
RATE = "rate"


@dataclass(frozen=True)
class Bound:
    """`p99:1ms`: the 99th percentile at most a millisecond."""

    percentile: str
    most_s: float

    @classmethod
    def parse(cls, text: str) -> "Bound":
        found = re.fullmatch(r"(p50|p99|p999):([0-9]*\.?[0-9]+)(us|ms|s)", text)
        if found is None or float(found[2]) <= 0:
            raise UsageError(
                f"--knee {text}: expected a percentile and a bound, such as p99:1ms; percentiles are "
                f"{', '.join(PERCENTILES)}, units {', '.join(UNITS)}"
            )
        return cls(found[1], float(found[2]) * UNITS[found[3]])

    def holds(self, counters: Mapping[str, float], gates: Sequence[str]) -> bool:
        """Where a gate has closed the rate is too much, for the server or for the load."""
        latency = counters.get(f"latency_{self.percentile}_s")
        return not gates and latency is not None and latency <= self.most_s

    def __str__(self) -> str:
        return f"{self.percentile} at most {seconds(self.most_s)}"


@dataclass(frozen=True)
class Knee:
    """`rate` in messages a second, None if the lowest was too much; `cpu_s` of a message at it; `why`
    the next rate was too much: over the bound, or the name of a gate."""

    backend: str
    model: str
    rate: Estimate | None
    cpu_s: float | None
    why: str


def knees(family: Family, bound: Bound) -> list[Knee]:
    return [_knee(curve, bound) for curve in family.curves if _blocks(curve)]


def _blocks(curve: Curve) -> set[int]:
    return {block for row in curve.points.values() for block in row.attempted}


def _knee(curve: Curve, bound: Bound) -> Knee:
    logs, cpu, whys = [], [], []
    for block in sorted(_blocks(curve)):
        tried = {
            rate: row.by_block.get(block)
            for rate, row in curve.points.items()
            if block in row.attempted
        }
        held = {
            rate: counters is not None
            and bound.holds(counters, curve.points[rate].gates.get(block, []))
            for rate, counters in tried.items()
        }
        ceiling = min((rate for rate, holds in held.items() if not holds), default=math.inf)
        best = max((rate for rate, holds in held.items() if holds and rate < ceiling), default=None)
        if ceiling < math.inf:
            whys.append(_why(curve, ceiling, block))
        if best is not None:
            logs.append(math.log(best))
            cpu.append((tried[best] or {}).get("cpu_per_task_s", math.nan))
    known = [value for value in cpu if not math.isnan(value)]
    return Knee(
        curve.backend,
        curve.model,
        estimate(logs) if logs else None,
        median(known) if known else None,
        Counter(whys).most_common(1)[0][0] if whys else "",
    )


def _why(curve: Curve, rate: float, block: int) -> str:
    row = curve.points[rate]
    if gates := row.gates.get(block):
        return gate_name(gates[0])
    if block in row.by_block:
        return "over the bound"
    return row.failures.get(block, "not measured")
