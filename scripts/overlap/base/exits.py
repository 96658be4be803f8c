"""How a command ends: with its exit code, or one line on why it has none of its own."""

import io
import os
import sys
import traceback
from collections.abc import Callable

USAGE_STATUS = 2
FAULT_STATUS = 70  # As sysexits.h has it for an error of the program itself.
INTERRUPTED_STATUS = 130  # As shells report SIGINT, and here SIGTERM and SIGHUP as well.
CLOSED_STATUS = 141  # As shells report SIGPIPE.
CODES = """2 asked wrongly, or it cannot be done here; 70 a fault of the command itself; 130 interrupted; 141
whoever read the output went away before its end"""


class UsageError(Exception):
    """The run cannot go on as asked; the text is one line that says why."""


class RecordError(Exception):
    """A record file that cannot be read or written; the text is one line that says why."""


class BuildError(Exception):
    """A configuration or a build that failed; the text names the log and shows its end."""


def guarded(name: str, body: Callable[[], int]) -> int:
    """The exit code of `body`, or one of CODES after a line that says why. What options are asked
    for belongs into `body`, too, since it may print help."""
    hold_standard_streams()
    try:
        status = _ended(name, body)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        words, status = "", CLOSED_STATUS
    except OSError as error:
        words, status = f"{error.strerror}", FAULT_STATUS
    # Python must not try to write the rest at exit: it would end with a code of its own.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    if words:
        _say(f"{name}: {words}")
    else:
        os.dup2(nowhere, sys.stderr.fileno())
    return status


def hold_standard_streams() -> None:
    """A descriptor that is closed would be the next one opened, and get what is meant for it. Python has
    no stream for it. Results that cannot be written are an error, words that nobody wants are not.
    """
    closed = ((0, "stdin", "r", os.O_RDONLY), (1, "stdout", "w", os.O_RDONLY))
    for number, name, mode, access in (*closed, (2, "stderr", "w", os.O_WRONLY)):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, access)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))


def _say(words: str) -> None:
    try:
        print(words, file=sys.stderr, flush=True)
    except BrokenPipeError:
        raise
    except OSError:  # Nobody listens; the exit code is what is left.
        pass


def _ended(name: str, body: Callable[[], int]) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # Not every terminal has every character.
    status = USAGE_STATUS
    try:
        return body()
    except SystemExit as ended:  # Of the reader of options.
        return int(ended.code or 0)
    except KeyboardInterrupt:
        return INTERRUPTED_STATUS
    except (UsageError, RecordError, BuildError) as error:
        words = str(error)
    except OSError as error:
        if error.filename is None:  # Not of a file that was named, but of the output.
            raise
        words = f"{error.filename}: {error.strerror}"
    except Exception as error:
        # A command's own codes say something of its input, and a fault must not.
        *_, place = traceback.extract_tb(error.__traceback__)
        where = f"{os.path.basename(place.filename)}:{place.lineno}"
        told = " ".join(str(error).split())[:200]
        words = f"a fault of its own, {type(error).__name__} in {where}: {told}"
        status = FAULT_STATUS
    _say(f"{name}: {words}")
    return status
