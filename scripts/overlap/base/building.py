"""Configures and builds a preset with CMake, its output in a log file."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from overlap.base.exits import BuildError
from overlap.base.machine import ROOT
from overlap.base.processes import nothing_left_behind

LOG_TAIL_LINES = 40


def tail(log: Path, lines: int = LOG_TAIL_LINES) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def logged(
    command: Sequence[str | Path],
    log: Path,
    environment: dict[str, str],
    folder: Path | None = None,
    deadline_s: float | None = None,
) -> int:
    """Runs a command in a folder, by default the top of the checkout, appends what it prints to
    `log`, and returns its exit code. Raises subprocess.TimeoutExpired."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output, nothing_left_behind():
        return subprocess.run(
            command,
            cwd=folder or ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | environment,
            timeout=deadline_s,
        ).returncode


def reconfigure(preset: str, log: Path) -> None:
    """Looks again for what was not there when the preset was configured."""
    with _alone_in(ROOT / "build"):
        if logged(["cmake", "--preset", preset], log, {}) != 0:
            raise BuildError(f"cmake --preset {preset} failed; {log}:\n{tail(log)}")


def configure(preset: str, log: Path) -> None:
    """Does nothing if the preset was configured before, and here: the build itself notices changed CMake
    files, but not that its folder was copied from another tree, which it would then build."""
    directory = ROOT / "build" / preset
    if (directory / "build.ninja").exists():
        if _source_of(directory) == ROOT.resolve():
            return
        shutil.rmtree(directory)
    if logged(["cmake", "--preset", preset], log, {}) != 0:
        raise BuildError(f"cmake --preset {preset} failed; {log}:\n{tail(log)}")


def _source_of(directory: Path) -> Path | None:
    """The tree that a build directory was configured for."""
    try:
        cache = (directory / "CMakeCache.txt").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = re.search(r"^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$", cache, re.MULTILINE)
    return Path(found[1]).resolve() if found else None


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Two runs that build in one folder take turns."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(preset: str, targets: Sequence[str], log: Path, show: bool = False) -> Path:
    """Builds `targets` (all if empty) and returns the build directory. With `show`, ninja's own
    progress line is left to a terminal."""
    with _alone_in(ROOT / "build"):
        log.unlink(missing_ok=True)
        configure(preset, log)
        directory = ROOT / "build" / preset
        command: list[str | Path] = ["cmake", "--build", directory]
        if targets:
            command += ["--target", *targets]
        if show and sys.stderr.isatty():
            # Ninja overwrites one line on a terminal and prints whole lines only for warnings.
            status = {"NINJA_STATUS": "building %f/%t "}
            with nothing_left_behind():
                ran = subprocess.run(command, env=os.environ | status, stdout=sys.stderr)
            if ran.returncode != 0:
                raise BuildError("the build failed; what it said is above")
        else:
            if logged(command, log, {}) != 0:
                raise BuildError(f"the build of {preset} failed; {log}:\n{tail(log)}")
    return directory
