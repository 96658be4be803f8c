"""One command in a process group of its own, with an end: it leaves nothing running behind it."""

import os
import resource
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """How a command ended. `status` is its exit code, or minus the signal that ended it."""

    status: int
    timed_out: bool
    output: str
    errors: str
    duration_s: float
    cpu_s: float  # Of the process and those of its descendants that it waited for.

    @property
    def last_error_line(self) -> str:
        lines = [line.strip() for line in self.errors.splitlines() if line.strip()]
        return lines[-1] if lines else ""


def run_contained(
    command: Sequence[str], deadline_s: float, waiting: Callable[[], None] = lambda: None
) -> Outcome:
    """Runs `command` for `deadline_s` at most, calling `waiting` every few seconds, and ends its
    whole process group before it returns or raises (KeyboardInterrupt among others). Raises OSError
    if the command cannot be started."""
    # Files rather than pipes: a descendant that lives on cannot keep the reader waiting.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        begun = time.monotonic()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
        try:
            timed_out = not _ends_before(process.pid, begun + deadline_s, waiting)
            duration_s = time.monotonic() - begun
        finally:
            usage = _end_group(process)
        return Outcome(
            status=process.returncode,
            timed_out=timed_out,
            output=_text(output),
            errors=_text(errors),
            duration_s=duration_s,
            cpu_s=usage.ru_utime + usage.ru_stime,
        )


WAITING_PERIOD_S = 2.0  # Seldom: whatever `waiting` does, it does while something is measured.


def _ends_before(pid: int, deadline: float, waiting: Callable[[], None]) -> bool:
    descriptor = os.pidfd_open(pid)
    try:
        while (left := deadline - time.monotonic()) > 0:
            if select.select([descriptor], [], [], min(left, WAITING_PERIOD_S))[0]:
                return True
            waiting()
        return False
    finally:
        os.close(descriptor)


def _end_group(process: subprocess.Popen[bytes]) -> resource.struct_rusage:
    """Ends the group before its leader is reaped: until then nobody else can have its number."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage


def _text(file) -> str:
    file.seek(0)
    return file.read().decode("utf-8", errors="replace")
