"""How a command ends: with its exit code, or one line on what was asked wrongly."""

import os
import sys
from collections.abc import Callable


class UsageError(Exception):
    """The run cannot go on as asked; the text is one line that says why."""


class RecordError(Exception):
    """A record file that cannot be read or written; the text is one line that says why."""


def guarded(name: str, body: Callable[[], int]) -> int:
    """The exit code of `body`; 2 after one line for what it was asked wrongly."""
    try:
        status = body()
        sys.stdout.flush()
        return status
    except (UsageError, RecordError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except (FileNotFoundError, NotADirectoryError, PermissionError, IsADirectoryError) as error:
        print(f"{name}: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever read the output has seen enough. Python must not try to flush the rest at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
