"""What two backends can be compared by: one number a sample."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from overlap.base.units import byte_count, plain, seconds
from overlap.judge.verdicts import Verdict

FASTER = {Verdict.LESS: "faster", Verdict.MORE: "slower"}
FASTER_RATE = {Verdict.LESS: "slower", Verdict.MORE: "faster"}
LESS = {Verdict.LESS: "less", Verdict.MORE: "more"}
FAIRER = {Verdict.LESS: "fairer", Verdict.MORE: "less fair"}
LOWER = {Verdict.LESS: "lower", Verdict.MORE: "higher"}


@dataclass(frozen=True)
class Metric:
    """`counters` are summed; where there are several lists, the first one that a sample has all of
    counts. `words` say what a smaller and a larger value is called. `ranked` figures get exact
    intervals from ranks, others from the bootstrap; only of those with `tiers` is less better."""

    name: str
    title: str
    counters: tuple[tuple[str, ...], ...]
    words: Mapping[Verdict, str]
    show: Callable[[float | None], str]
    ranked: bool = True
    tiers: bool = True

    def of(self, counters: Mapping[str, Any]) -> float | None:
        """The value of a sample; None if it was not measured, or is no number that could be."""
        for names in self.counters:
            values = [counters.get(name) for name in names]
            if all(_is_measured(value) for value in values):
                return float(sum(values))
        return None

    def of_any(self, samples: Iterable[Mapping[str, Any]]) -> bool:
        """Whether it was measured at all."""
        return any(self.of(counters) is not None for counters in samples)

    def word(self, verdict: Verdict) -> str:
        return self.words.get(verdict) or COMMON_WORDS[verdict]


COMMON_WORDS = {
    Verdict.SAME: "same",
    Verdict.DIFFERS: "differs, less than matters",
    Verdict.UNKNOWN: "unknown",
    Verdict.WITHHELD: "machine unstable",
}


def _is_measured(value: object) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and math.isfinite(value)
        and value >= 0
    )


METRICS = {
    metric.name: metric
    for metric in (
        Metric("wall", "wall time", (("wall_s",),), FASTER, seconds),
        Metric("cpu", "CPU time per task", (("cpu_per_task_s",), ("cpu_s",)), FASTER, seconds),
        Metric("cold", "wall time of the first run", (("cold_wall_s",),), FASTER, seconds),
        Metric(
            "cold-cpu",
            "CPU time of the first run per task",
            (("cold_cpu_per_task_s",),),
            FASTER,
            seconds,
        ),
        Metric("memory", "memory per further task", (("bytes_per_task",),), LESS, byte_count),
        Metric("peak", "peak memory", (("peak_memory_bytes",),), LESS, byte_count),
        Metric(
            "p99",
            "99th percentile of lateness or latency",
            (("lateness_p99_s",), ("latency_p99_s",)),
            FASTER,
            seconds,
            ranked=False,
        ),
        Metric(
            "max",
            "longest lateness or latency",
            (("lateness_max_s",), ("latency_max_s",)),
            FASTER,
            seconds,
            ranked=False,
        ),
        Metric("lateness", "median lateness", (("lateness_p50_s",),), FASTER, seconds),
        Metric("cancel", "cancelling a task", (("cancel_per_task_s",),), FASTER, seconds),
        Metric("gap", "longest gap of a heartbeat", (("gap_max_s",),), FASTER, seconds),
        Metric(
            "server",
            "CPU time of the server per request",
            (("server_cpu_per_task_s",),),
            LESS,
            seconds,
            tiers=False,
        ),
        Metric(
            "fairness",
            "slowest connection's mean latency / the median one's",
            (("slowest_connection_ratio",),),
            FAIRER,
            plain,
            ranked=False,
        ),
        Metric("C", "concurrency", (("concurrency",),), LOWER, plain, ranked=False, tiers=False),
        Metric("P", "parallelism", (("parallelism",),), LOWER, plain, ranked=False, tiers=False),
        Metric("syscalls", "system calls per task", (("syscalls_per_task",),), LESS, plain),
        Metric(
            "switches",
            "context switches",
            (("voluntary_switches", "involuntary_switches"),),
            LESS,
            plain,
        ),
    )
}

# How counters are called that say how much was done in a time, here and by Google Benchmark.
RATE = re.compile(r"(_per_(s|sec|second)|/s|_rate)$", re.IGNORECASE)


def counter_metric(name: str) -> Metric:
    """For a counter that somebody else's benchmark reports: nobody here knows its unit, nor, but of
    rates, whether more of it is better."""
    words = FASTER_RATE if RATE.search(name) else LOWER
    return Metric(name, name, ((name,),), words, plain, tiers=False)


ENDLESS = 700.0  # Near the largest logarithm whose exponential is a number.


def log_ratio(value: float, baseline: float) -> float:
    """Counts may be zero: two zeros are equal, and one is endlessly far from anything else. So are
    numbers whose quotient is beyond floating point."""
    if value == baseline:
        return 0.0
    quotient = value / baseline if baseline else math.inf
    if quotient in (0, math.inf):
        return ENDLESS if quotient else -ENDLESS
    return math.log(quotient)


RATIO_PLACES = 7


def ratio_of(logarithm: float | None) -> float | None:
    """What is printed, and given to programs and pages: seven digits are more than anybody measures, and
    the same in every language. None for what is unknown or endlessly far from 1."""
    if logarithm is None or not math.isfinite(logarithm) or abs(logarithm) >= ENDLESS / 2:
        return None
    return float(f"{math.exp(round(logarithm, RATIO_PLACES)):.{RATIO_PLACES}g}")
