"""What else ran while a sample was taken: stolen time, foreign CPU time, pressure."""

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from overlap.base.exits import UsageError

# Above these shares of the machine's capacity a sample counts as contaminated.
STEAL_LIMIT = 0.01
FOREIGN_LIMIT = 0.05

TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
# /proc/stat counts whole ticks, so that a short sample cannot tell one tick too many from somebody
# else's work. Fewer than these are not held against a sample.
STEAL_SLACK_S = 2 * TICK_S
FOREIGN_SLACK_S = 4 * TICK_S


@dataclass(frozen=True)
class Reading:
    """The machine's counters at one moment; durations in seconds, summed over all cores."""

    monotonic_s: float
    busy_s: float
    steal_s: float
    own_cpu_s: float
    pressure: float | None  # Share of the last 10 s in which something waited for a core.


def _cpu_pressure() -> float | None:
    try:
        found = re.match(r"some avg10=([0-9.]+)", Path("/proc/pressure/cpu").read_text())
    except OSError:  # A kernel without CONFIG_PSI, or a container that hides it.
        return None
    return float(found.group(1)) / 100 if found else None


def read_machine() -> Reading:
    """Fields of /proc/stat are those of proc(5): user, nice, system, idle, iowait, irq, softirq,
    steal."""
    try:
        with open("/proc/stat", encoding="ascii") as stat:
            ticks = [int(field) for field in stat.readline().split()[1:9]]
        user, nice, system, _, _, irq, softirq, steal = ticks
    except (OSError, ValueError) as error:
        raise UsageError(
            f"/proc/stat does not say what the machine is busy with ({error}); expected a line of eight "
            "times, see proc(5): is it masked in this container?"
        ) from error
    return Reading(
        monotonic_s=time.monotonic(),
        busy_s=(user + nice + system + irq + softirq) * TICK_S,
        steal_s=steal * TICK_S,
        own_cpu_s=time.process_time(),
        pressure=_cpu_pressure(),
    )


def contamination(before: Reading, after: Reading, sample_cpu_s: float) -> dict[str, object]:
    """The fields of a record. `sample_cpu_s` is the CPU time of the sample's processes; what the
    machine spent beyond that, and beyond what this process spent, was somebody else's."""
    capacity_s = max(after.monotonic_s - before.monotonic_s, TICK_S) * (os.cpu_count() or 1)
    steal_s = after.steal_s - before.steal_s
    ours_s = sample_cpu_s + after.own_cpu_s - before.own_cpu_s
    foreign_s = max(0.0, after.busy_s - before.busy_s - ours_s)
    return {
        "steal_share": round(steal_s / capacity_s, 4),
        "foreign_cpu_share": round(foreign_s / capacity_s, 4),
        "cpu_pressure_before": before.pressure,
        "cpu_pressure_after": after.pressure,
        "dirty": (steal_s > max(STEAL_LIMIT * capacity_s, STEAL_SLACK_S))
        or (foreign_s > max(FOREIGN_LIMIT * capacity_s, FOREIGN_SLACK_S)),
    }
