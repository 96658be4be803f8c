"""Configures and builds a preset with CMake, its output in a log file."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from overlap.base.exits import BuildError
from overlap.base.machine import ROOT

LOG_TAIL_LINES = 40


def tail(log: Path, lines: int = LOG_TAIL_LINES) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def logged(
    command: Sequence[str | Path],
    log: Path,
    environment: dict[str, str],
    folder: Path = ROOT,
    deadline_s: float | None = None,
) -> int:
    """Runs a command in a folder, by default the top of the checkout, appends what it prints to
    `log`, and returns its exit code. Raises subprocess.TimeoutExpired."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | environment,
            timeout=deadline_s,
        ).returncode


def configure(preset: str, log: Path) -> None:
    """Does nothing if the preset was configured before: the build itself notices changed CMake
    files."""
    if (ROOT / "build" / preset / "build.ninja").exists():
        return
    if logged(["cmake", "--preset", preset], log, {}) != 0:
        raise BuildError(f"cmake --preset {preset} failed; {log}:\n{tail(log)}")


def build(preset: str, targets: Sequence[str], log: Path, show: bool = False) -> Path:
    """Builds `targets` (all if empty) and returns the build directory. With `show`, ninja's own
    progress line is left to a terminal."""
    log.unlink(missing_ok=True)
    configure(preset, log)
    directory = ROOT / "build" / preset
    command: list[str | Path] = ["cmake", "--build", directory]
    if targets:
        command += ["--target", *targets]
    if show and sys.stderr.isatty():
        # Ninja overwrites one line on a terminal and prints whole lines only for warnings.
        status = {"NINJA_STATUS": "building %f/%t "}
        if subprocess.run(command, env=os.environ | status, stdout=sys.stderr).returncode != 0:
            raise BuildError("the build failed; what it said is above")
    else:
        if logged(command, log, {}) != 0:
            raise BuildError(f"the build of {preset} failed; {log}:\n{tail(log)}")
    return directory
