"""What a machine has and lacks for measuring, and what each lack costs, in words."""

import ctypes
import errno
import os
import platform
import re
import resource
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from overlap.base.cgroups import limits, quota_words
from overlap.base.units import byte_count, seconds
from overlap.measure.syscalls import count_command, why_no_syscalls

# The largest of the usual cases: 1,000 connections take two descriptors each where processes serve
# them; 10,000 tasks are a process or a thread each, and a stack with its guard page is two mappings.
DESCRIPTORS, TASKS, MAPPINGS = 2_100, 10_000, 21_000
MEMORY_BYTES = 5e9  # A million fibers of a page each, and as many timers.
FAST_CLOCKS = ("tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter", "riscv")
SLOW_READ_S = 1e-6
MOST_PRESSURE = 10.0  # Per cent; two busy threads on two cores come close to it by themselves.
IO_URING_SETUP = 425  # On every architecture.


class Level(Enum):
    """The value is the word that stands before a finding."""

    GOOD = "good"
    NOTE = "note"  # Something lacks that the suite itself does without.
    LIMIT = "limit"  # Something cannot be measured, or less well.
    UNSTABLE = "unstable"  # What is measured would not be worth having.


@dataclass(frozen=True)
class Finding:
    """`costs` says what the lack costs; empty where nothing lacks."""

    subject: str
    found: str
    costs: str = ""
    level: Level = Level.GOOD


def finding(
    subject: str, found: str, costs: str, lacks: bool, level: Level = Level.LIMIT
) -> Finding:
    """A finding of that level if something lacks, and a good one that costs nothing otherwise."""
    return Finding(subject, found, costs, level) if lacks else Finding(subject, found)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _cost_of_reads_s(reads: int) -> float:
    begun = time.perf_counter_ns()
    for _ in range(reads):
        time.monotonic_ns()
    return (time.perf_counter_ns() - begun) / reads * 1e-9


def clock() -> Finding:
    """The monotonic clock. Its cost includes that of the call from Python."""
    source = _read("/sys/devices/system/clocksource/clocksource0/current_clocksource") or "unknown"
    read_s = min(_cost_of_reads_s(1_000) for _ in range(20))  # Others may take turns in between.
    return finding(
        "clock",
        f"{source}, resolution {seconds(time.clock_getres(time.CLOCK_MONOTONIC))}, at most "
        f"{seconds(read_s)} a read",
        "reading it costs so much that traced runs, lateness and latency of short tasks are blurred",
        lacks=read_s > SLOW_READ_S or (source != "unknown" and source not in FAST_CLOCKS),
    )


def cores() -> Finding:
    allowed, all_cores = len(os.sched_getaffinity(0)), os.cpu_count() or 1
    return finding(
        "cores",
        f"{allowed} of {all_cores}",
        "nothing can run at the same time, so P never passes 1, and the load of echo disturbs its "
        "server",
        lacks=allowed < 2,
    )


def quota() -> Finding:
    """Of CPU time: a container on many cores may have a fraction of one's."""
    cpus, allowed = limits().cpus, len(os.sched_getaffinity(0))
    return finding(
        "CPU quota",
        quota_words(cpus, allowed) or "none below the cores",
        "when it is used up all tasks stand still until the next period, usually 100 ms: wall times, "
        "lateness and P are the quota's, not the runtime's",
        lacks=cpus is not None and cpus < allowed,
    )


def governor() -> Finding:
    """Virtual machines have none to see."""
    name = _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    return finding(
        "frequency",
        name or "not for this system to choose",
        "the clock rate follows the load, so short samples come out slower than long ones; as root: "
        "cpupower frequency-set -g performance",
        lacks=name not in ("", "performance"),
    )


def pressure() -> Finding:
    found = re.match(r"some avg10=([0-9.]+)", _read("/proc/pressure/cpu"))
    if found is None:
        costs = "records cannot say whether something waited for a core; steal and foreign CPU can"
        return Finding("pressure", "not told by this kernel", costs, Level.LIMIT)
    percent = float(found[1])
    words = f"something waited for a core in {percent:g}% of the last 10 s"
    costs = "what else runs here takes turns with what is measured; end it"
    return finding("pressure", words, costs, lacks=percent > MOST_PRESSURE)


def _limit(value: int) -> str:
    return "unlimited" if value in (resource.RLIM_INFINITY, 2**63 - 1) else f"{value:,}"


def descriptors() -> Finding:
    """Binaries raise the soft limit to the hard one by themselves."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    hard = 2**63 - 1 if hard == resource.RLIM_INFINITY else hard
    return finding(
        "descriptors",
        f"{_limit(hard)} for a process",
        f"echo with 1,000 connections needs up to {DESCRIPTORS:,}: those rows will say `limit`",
        lacks=hard < DESCRIPTORS,
    )


def processes() -> Finding:
    of_group = limits().tasks
    found = [resource.getrlimit(resource.RLIMIT_NPROC)[1]]
    found += [of_group] if of_group is not None else []
    found += [
        int(_read(f"/proc/sys/kernel/{name}") or 2**31) for name in ("threads-max", "pid_max")
    ]
    most = min(limit for limit in found if limit >= 0)  # RLIM_INFINITY is -1 here.
    return finding(
        "processes",
        f"{_limit(most)} at once, threads among them",
        f"cases of {TASKS:,} tasks need as many: thread_per_task and process_per_task will say "
        "`limit`",
        lacks=most < TASKS + 1000,
    )


def mappings() -> Finding:
    most = int(_read("/proc/sys/vm/max_map_count") or 65_530)
    return finding(
        "mappings",
        f"{most:,} for a process",
        f"{TASKS:,} threads need {MAPPINGS:,}, two for each stack: thread_per_task will say `limit`",
        lacks=most < MAPPINGS,
    )


def memory() -> Finding:
    found = re.search(r"^MemAvailable:\s+(\d+) kB", _read("/proc/meminfo"), re.MULTILINE)
    available = int(found[1]) * 1024 if found else 0
    words = f"{byte_count(available)} available" if found else "not told by this kernel"
    of_group = limits().memory_bytes
    if of_group is not None and of_group < available:
        available, words = of_group, f"{byte_count(of_group)}, by a cgroup's limit"
    return finding(
        "memory",
        words,
        f"a million fibers take up to {byte_count(MEMORY_BYTES)}: sleeps/1m_1s and gather/1m_empty "
        "may say `limit`",
        lacks=available < MEMORY_BYTES,
    )


def why_no_io_uring() -> str:
    """Asks for a ring; empty if the kernel gives one. io_uring_setup(2)."""
    libc = ctypes.CDLL(None, use_errno=True)
    parameters = ctypes.create_string_buffer(120)  # struct io_uring_params, all zero.
    descriptor = libc.syscall(IO_URING_SETUP, 2, parameters)
    if descriptor >= 0:
        os.close(descriptor)
        return ""
    code = ctypes.get_errno()
    return f"{errno.errorcode.get(code, code)}: {os.strerror(code)}"


def io_uring() -> Finding:
    why_not = why_no_io_uring()
    return finding(
        "io_uring",
        f"not available: {why_not}" if why_not else "works",
        "all rows of coroutine:uring, fiber:uring and floor:uring say so; coroutine:epoll is the "
        "reference",
        lacks=bool(why_not),
    )


def tracepoints() -> Finding:
    why_not = why_no_syscalls()
    return finding(
        "tracepoints",
        why_not or "perf may count system calls",
        "records have no syscalls_per_task",
        lacks=bool(why_not),
    )


def hardware_counters() -> Finding:
    counts = bool(shutil.which("perf")) and count_command("instructions:u", ["true"], 10.0)
    return finding(
        "hardware counters",
        "work" if counts else "not available",
        "nothing in the tables: instructions and cache misses cannot be looked into here",
        lacks=not counts,
        level=Level.NOTE,
    )


def cachegrind() -> Finding:
    there = shutil.which("valgrind")
    return finding(
        "cachegrind",
        _first_line("valgrind", "--version") if there else "valgrind is not installed",
        "nothing in the tables: instructions cannot be looked into without hardware counters",
        lacks=not there,
        level=Level.NOTE,
    )


def _first_line(*command: str) -> str:
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return f"{command[0]} not found"
    return (ran.stdout.splitlines() or ["says nothing"])[0]


def versions() -> Finding:
    found = [f"Linux {platform.release()}", f"Python {platform.python_version()}"]
    found += [_first_line("g++", "--version"), _first_line("cmake", "--version")]
    return Finding("versions", ", ".join(found))


CHECKS: tuple[Callable[[], Finding], ...] = (
    clock,
    cores,
    quota,
    governor,
    pressure,
    descriptors,
    processes,
    mappings,
    memory,
    io_uring,
    tracepoints,
    hardware_counters,
    cachegrind,
    versions,
)
