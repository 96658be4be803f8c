"""Commands that leave nothing running behind them."""

import ctypes
import os
import resource
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from overlap.base.exits import UsageError


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


def ending_with_parent(end_signal: signal.Signals = signal.SIGKILL) -> Callable[[], None]:
    """To be called between fork and exec: the kernel sends the child this signal when the calling process
    has ended, however it did (prctl(2))."""
    parent, libc = os.getpid(), ctypes.CDLL(None)

    def arrange() -> None:
        libc.prctl(PR_SET_PDEATHSIG, end_signal, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return arrange


@contextmanager
def nothing_left_behind() -> Iterator[None]:
    """Ends the processes that were started within, and all that those have started, in whatever
    group or session. What was running before goes on."""
    # Who loses their parent becomes a child of this process (prctl(2)).
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before = _children(os.getpid())
    try:
        yield
    finally:
        patience = time.monotonic() + ENDING_DEADLINE_S
        while any([_end(pid) for pid in _descendants_but(before)]) and time.monotonic() < patience:
            time.sleep(0.001)  # What is killed ends soon, and then its children are ours.


PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # <linux/prctl.h>
ENDING_DEADLINE_S = 10.0  # Of processes whose parent we may not kill, the end is not ours to see.


def _children(pid: int) -> set[int]:
    """A child is listed under the thread that started it."""
    found: set[int] = set()
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found.update(map(int, listed.read_text(encoding="ascii").split()))
        except OSError:  # It has just ended.
            pass
    return found


def _descendants_but(spared: set[int]) -> list[int]:
    found = list(_children(os.getpid()) - spared)
    for pid in found:
        found += _children(pid)
    return found


def _end(pid: int) -> bool:
    """Whether it is still there, although it was killed."""
    try:
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return False
    except ChildProcessError:  # The child of another, who has to be ended first.
        pass
    try:
        os.kill(pid, signal.SIGKILL)
        return True
    except (ProcessLookupError, PermissionError):
        return False


def run_contained(
    command: Sequence[str],
    deadline_s: float,
    waiting: Callable[[], None] = lambda: None,
    folder: Path | None = None,
) -> Outcome:
    """Runs `command`, in `folder` where one is given, for `deadline_s` at most, calling `waiting`
    every second, and ends all that it has started before it returns or raises
    (KeyboardInterrupt among others). Raises OSError if the command cannot be started."""
    # Files rather than pipes: a descendant that lives on cannot keep the reader waiting.
    with (
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
        nothing_left_behind(),
    ):
        begun = time.monotonic()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            cwd=folder,
            start_new_session=True,
            preexec_fn=ending_with_parent(),
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


WAITING_PERIOD_S = (
    1.0  # Not more often: whatever `waiting` does, it does while something is measured.
)


def _ends_before(pid: int, deadline: float, waiting: Callable[[], None]) -> bool:
    try:
        descriptor = os.pidfd_open(pid)
    except OSError as error:  # An older kernel, or a filter of system calls.
        raise UsageError(f"pidfd_open(2) is refused: {error.strerror}") from error
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
