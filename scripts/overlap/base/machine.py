"""What a record file says about where its samples were taken."""

import hashlib
import os
import platform
import subprocess
from pathlib import Path

from overlap.base.cgroups import limits

ROOT = Path(__file__).resolve().parents[3]


def shown(path: Path) -> Path:
    """As a person here would write it."""
    path = path.resolve()
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def from_root(path: Path) -> Path:
    """As records name it: the same in every checkout, where it is part of one."""
    path = path.resolve()
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def _after_colon(path: str, key: str) -> str:
    """The value of the first `key : value` line of a file in /proc; empty if there is none."""
    try:
        for line in Path(path).read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == key:
                return value.strip()
    except OSError:
        pass
    return ""


def describe_machine() -> dict[str, object]:
    """Host, kernel, processor, the cores this process may run on, memory in bytes, and what a cgroup
    allows of both where it does."""
    allowed = limits()
    of_cgroup = {"cgroup_cpus": allowed.cpus, "cgroup_memory_bytes": allowed.memory_bytes}
    return {name: value for name, value in of_cgroup.items() if value is not None} | {
        "host": platform.node(),
        "kernel": f"{platform.system()} {platform.release()}",
        "cpu": _after_colon("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", ""),
        "python": platform.python_version(),
    }


def _git(*arguments: str) -> str:
    try:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def describe_suite() -> dict[str, object]:
    """The commit that the suite stands at, and whether files differ from it. A tree without a repository
    of its own, as from an archive, has none, whatever lies around it."""
    top = _git("rev-parse", "--show-toplevel")
    if not top or Path(top).resolve() != ROOT.resolve():
        return {"commit": "", "modified": False}
    return {
        "commit": _git("rev-parse", "HEAD"),
        "modified": bool(_git("status", "--porcelain", "--untracked-files=no")),
    }


def file_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
