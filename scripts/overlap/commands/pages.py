"""Writes pages of record files."""

import os
from collections.abc import Sequence
from pathlib import Path

from overlap.base.exits import UsageError
from overlap.commands.compare import name_apart, print_problems
from overlap.judge.series import Source, from_records
from overlap.records.files import read_records

MOST_RUNS = 8  # More than that are no page that anybody could look at.


def write_page(paths: Sequence[Path], output: Path, pattern: str = "") -> None:
    """Writes the page whole or not at all. Raises UsageError and RecordError."""
    from overlap.page.build import render  # Needs jinja2, which no other part of the commands does.
    from overlap.page.differences import differences

    if not 1 <= len(paths) <= MOST_RUNS:
        raise UsageError(f"--output takes 1 to {MOST_RUNS} record files, found {len(paths)}")
    _check_place(output)
    sources = [_source(path, pattern) for path in paths]
    name_apart(sources)
    print_problems(sources)
    _write(output, render(sources, output, differences(sources)))


def _source(path: Path, pattern: str) -> Source:
    source = from_records(read_records(path).only(pattern))
    if not source.series:
        words = f"--filter {pattern!r} matches no row of it" if pattern else "holds no rows"
        raise UsageError(f"{path}: {words}")
    return source


def _check_place(output: Path) -> None:
    """Before seconds are spent on what could not be written."""
    folder = output.parent
    if output.is_dir():
        raise UsageError(f"--output {output}: is a folder, expected the name of a file")
    if not folder.is_dir():
        raise UsageError(f"--output {output}: there is no folder {folder}")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"--output {output}: {folder} cannot be written to")


def _write(output: Path, text: str) -> None:
    regular = not output.exists() or output.is_file()  # No pipe and no terminal.
    beside = output.with_name(f".{output.name[:100]}.{os.getpid()}") if regular else output
    try:
        beside.write_text(text, encoding="utf-8", errors="backslashreplace")
        if regular:
            beside.replace(output)
    except OSError as error:
        raise UsageError(f"--output {output}: {error.strerror}") from error
    finally:
        if regular:
            beside.unlink(missing_ok=True)
