"""What a peer says first: it is started for its hello, and ended."""

import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from overlap.base.processes import nothing_left_behind

HELLO_DEADLINE_S = 20.0
LONGEST_HELLO = 1 << 20  # Bytes, as the benchmark binaries have it.
LONGEST_WORDS = 300
MOST_TASKS = 1 << 53  # What every reader of JSON can count to.


class Unusable(Exception):
    """A peer cannot be used here; the text says why."""


def one_line(said: str) -> str:
    """What somebody else's program says, so that it can stand in a table or a record."""
    shown = "".join(letter if letter.isprintable() else " " for letter in said)
    return " ".join(shown.split())[:LONGEST_WORDS]


def ask(command: Sequence[str], folder: Path) -> dict[str, Any]:
    """Starts a peer for its first line, its hello, and ends it with all that it has started. Raises
    Unusable."""
    # A file rather than a pipe: what fills a pipe has to wait for us, and what holds it open makes
    # us wait.
    with tempfile.TemporaryFile() as errors, nothing_left_behind():
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=folder,
                start_new_session=True,
            )
        except OSError as error:
            words = f"it cannot be started: {command[0]}: {error.strerror}"
            raise Unusable(words) from error
        with process:
            try:
                line = _first_line(process, time.monotonic() + HELLO_DEADLINE_S)
            finally:
                process.kill()
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip().splitlines()
    return _hello_in(line, said[-1] if said else "")


def _first_line(process: subprocess.Popen[bytes], deadline: float) -> bytes:
    """What a process says until the end of a line, of its output, or of our patience."""
    descriptor = process.stdout.fileno()
    said = b""
    while b"\n" not in said and len(said) < LONGEST_HELLO:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            raise Unusable(f"it says no hello within {HELLO_DEADLINE_S:g} s")
        part = os.read(descriptor, 65536)
        if not part:
            break
        said += part
    return said.split(b"\n")[0]


def _hello_in(line: bytes, last_words: str) -> dict[str, Any]:
    try:
        hello = json.loads(line)["hello"]
        limit = hello["task_limit"]
        if (limit is None or (type(limit) is int and 0 < limit < MOST_TASKS)) and hello["version"]:
            return {"version": one_line(str(hello["version"])), "task_limit": limit}
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    said = last_words or line.decode(errors="replace")[:80] or "nothing"
    raise Unusable(f"its first line is no hello: {one_line(said)}")
