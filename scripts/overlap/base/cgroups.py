"""Limits that a container or a service lies under: those of this process's cgroup and of all above it, in
both versions of cgroups. Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/ of Linux."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Version 1 writes the largest number of whole pages where there is no limit.
UNLIMITED_BYTES = 2**62


@dataclass(frozen=True)
class Limits:
    """None where nothing limits. `cpus` is CPU time per time, in cores, and may be a fraction."""

    cpus: float | None = None
    memory_bytes: int | None = None
    tasks: int | None = None


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """From this process's cgroup up to the top, in the hierarchy of a controller and in version 2's. In
    a container the top may be its own group, whatever the path that it is told."""
    try:
        text = (root / "proc/self/cgroup").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        names, _, group = rest.partition(":")
        if controller in names.split(","):
            top = root / "sys/fs/cgroup" / controller
        elif number == "0" and not names:
            top = root / "sys/fs/cgroup"
        else:
            continue
        below = top / group.lstrip("/")
        yield below
        for folder in below.parents:
            if not folder.is_relative_to(top):
                break
            yield folder


def _numbers(path: Path) -> list[float]:
    """Of a file's first line; none if it is not there or says `max`."""
    try:
        words = path.read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return []
    return [float(word) for word in words if re.fullmatch(r"-?\d{1,20}", word)]


def _cpus(folder: Path) -> float | None:
    found = _numbers(folder / "cpu.max")
    if not found:
        found = _numbers(folder / "cpu.cfs_quota_us") + _numbers(folder / "cpu.cfs_period_us")
    # With `max` there is a period only; version 1 says -1 for it.
    return found[0] / found[1] if len(found) == 2 and found[0] > 0 and found[1] > 0 else None


def _one(folder: Path, *names: str) -> int | None:
    found = [number for name in names for number in _numbers(folder / name)[:1]]
    return int(found[0]) if found and 0 <= found[0] < UNLIMITED_BYTES else None


def limits(root: Path = Path("/")) -> Limits:
    """The least of each."""
    cpus = [_cpus(folder) for folder in _folders(root, "cpu")]
    memory = [_one(f, "memory.max", "memory.limit_in_bytes") for f in _folders(root, "memory")]
    tasks = [_one(folder, "pids.max") for folder in _folders(root, "pids")]
    return Limits(
        min((n for n in cpus if n is not None), default=None),
        min((n for n in memory if n is not None), default=None),
        min((n for n in tasks if n is not None), default=None),
    )


def quota_words(cpus: float | None, cores: int) -> str:
    """That CPU time is held below what the cores would allow; empty if it is not."""
    return (
        f"CPU time held to {cpus:.3g} cores by a cgroup"
        if cpus is not None and cpus < cores
        else ""
    )
