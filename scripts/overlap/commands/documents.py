"""Tables and figures in the project's documents, made from raw records and from nothing else.

A comment before each names the command that makes it:

    <!-- generated: ./scripts/compare results/FILE.jsonl --format markdown -->
    (what the command prints)
    <!-- end of generated -->

A command with --plane or --draw draws files instead; between its comments stands whatever shows them.
A document that shows figures of a record says how old it is, too: with a block of `report --age FILE`.
"""

import difflib
import io
import os
import re
import shlex
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from overlap.base.machine import ROOT

FOLDERS = ("bench", "results", "runtimes", "scripts")
BEGIN = re.compile(r"^<!-- generated: (.+) -->$")
END = "<!-- end of generated -->"
DRAWING = ("--plane", "--draw")
RECORDS = re.compile(r"\.jsonl(\.gz)?$")
AGE = "--age"
NO_HISTORY_STATUS = 3
# A table of results, or a picture: neither may stand where nothing regenerates it.
RESULTS = re.compile(r"^\| (case \| )?backend \||!\[|<img |<source ")

Commands = dict[str, Callable[[list[str]], int]]


@dataclass(frozen=True)
class Block:
    """Lines `first` to `last` (from 0, without the second) of a document, between two comments."""

    path: Path
    command: str
    first: int
    last: int


class DocumentError(Exception):
    """A document, or a command in it, that is not as it must be; the text is one line."""


def documents(root: Path = ROOT) -> list[Path]:
    """All Markdown files of the project; not those that a run or a build has left there."""
    found = list(root.glob("*.md"))
    for folder in FOLDERS:
        found += (root / folder).rglob("*.md")
    return sorted(p for p in found if not p.is_relative_to(root / "results" / "local"))


def _where(path: Path, line: int) -> str:
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    return f"{shown}:{line + 1}"


def find_blocks(path: Path, lines: list[str]) -> Iterator[Block]:
    """Raises DocumentError for a block without an end, and for results outside any block."""
    begin: int | None = None
    command = ""
    for number, line in enumerate(lines):
        found = BEGIN.match(line)
        if found and begin is not None:
            break
        if found:
            begin, command = number, found[1]
        elif line == END:
            if begin is None:
                raise DocumentError(f"{_where(path, number)}: the end of nothing generated")
            yield Block(path, command, begin + 1, number)
            begin = None
        elif begin is None and RESULTS.match(line):
            raise DocumentError(
                f"{_where(path, number)}: results that no command makes; expected a comment "
                "`<!-- generated: COMMAND -->` before them"
            )
    if begin is not None:
        raise DocumentError(f"{_where(path, begin)}: no `{END}` closes this block")


def without_age(path: Path, blocks: Sequence[Block]) -> Iterator[str]:
    """A line for each record that a document shows without having said whether it is older than the code.
    What is said has to be true, as all blocks have to be."""
    told: set[str] = set()
    for block in blocks:
        words = shlex.split(block.command)
        for name in (word for word in words if RECORDS.search(word)):
            if AGE not in words and name not in told:
                yield (
                    f"{_where(path, block.first - 1)}: figures of {name}, whose age nothing above "
                    f"says; expected a block `./scripts/report {AGE} {name}` before them"
                )
            told.add(name)


def output_of(block: Block, commands: Commands, root: Path = ROOT) -> str | None:
    """What the block's command prints, run from the project's root; None where a checkout without the
    history cannot tell how old a record is."""
    program, *arguments = shlex.split(block.command)
    where = _where(block.path, block.first - 1)
    if program not in commands:
        raise DocumentError(f"{where}: {program} is none of {', '.join(commands)}")
    printed, said = io.StringIO(), io.StringIO()
    with chdir(root), redirect_stdout(printed), redirect_stderr(said):
        status = commands[program](arguments)
    if status == NO_HISTORY_STATUS and AGE in arguments:
        return None
    if status != 0:
        why = (said.getvalue().strip().splitlines() or [f"exit code {status}"])[-1]
        raise DocumentError(f"{where}: {why}")
    return printed.getvalue()


def _drawn(block: Block, root: Path) -> tuple[str, list[str]] | None:
    """Of a command that draws: where its files belong, and the command as words."""
    words = shlex.split(block.command)
    place = _place_of_target(words)
    return (str(root / words[place]), words) if place else None


def _place_of_target(words: list[str]) -> int:
    """Of the option's value that says where a picture belongs; 0 if the command draws none."""
    return next((i + 1 for i, word in enumerate(words[:-1]) if word in DRAWING), 0)


class Documents:
    """The blocks of all documents, and what their commands make of them now."""

    def __init__(self, commands: Commands, root: Path = ROOT) -> None:
        self._commands = commands
        self._root = root
        self.blocks = 0

    def check(self) -> list[str]:
        """How the documents differ from what their commands make; empty if they do not."""
        differences = []
        for path in documents(self._root):
            before = path.read_text(encoding="utf-8")
            after = self.regenerated(path)
            name = str(path.relative_to(self._root))
            lines = [text.splitlines() for text in (before, after)]
            differences += difflib.unified_diff(
                *lines, f"{name} as it is", f"{name} as its commands make it", lineterm="", n=1
            )
            differences += self._figures(path, write=False)
            differences += without_age(path, list(find_blocks(path, lines[0])))
        return differences

    def update(self) -> list[str]:
        """Rewrites what differs; the names of the files that it changed."""
        changed = []
        for path in documents(self._root):
            after = self.regenerated(path)
            if after != path.read_text(encoding="utf-8"):
                path.write_text(after, encoding="utf-8")
                changed.append(str(path.relative_to(self._root)))
            changed += self._figures(path, write=True)
        return changed

    def regenerated(self, path: Path) -> str:
        text = path.read_text(encoding="utf-8")
        lines = text.split("\n")
        # From the last block on, so that the places of the others stay what they are.
        for block in reversed(list(find_blocks(path, lines))):
            self.blocks += 1
            if _drawn(block, self._root) is None:
                made = output_of(block, self._commands, self._root)
                if made is None:
                    continue
                lines[block.first : block.last] = made.rstrip("\n").split("\n")
        return "\n".join(lines)

    def _figures(self, path: Path, write: bool) -> Iterator[str]:
        lines = path.read_text(encoding="utf-8").split("\n")
        for block in find_blocks(path, lines):
            drawn = _drawn(block, self._root)
            if drawn is None:
                continue
            target, words = drawn
            with tempfile.TemporaryDirectory() as directory:
                place = os.path.join(directory, os.path.basename(target))
                words[_place_of_target(words)] = place
                again = Block(block.path, shlex.join(words), block.first, block.last)
                output_of(again, self._commands, self._root)
                for made in sorted(Path(directory).iterdir()):
                    kept = Path(target).parent / made.name
                    if kept.exists() and kept.read_bytes() == made.read_bytes():
                        continue
                    name = str(kept.relative_to(self._root))
                    if write:
                        kept.write_bytes(made.read_bytes())
                    yield name if write else f"{name} is not what its command draws"


def check_documents(*, write: bool) -> int:
    """Prints how the documents differ from what their commands make, or which were rewritten, and
    returns the exit code."""
    from overlap.commands import claims, compare, curves, doctor, report, run

    modules = (claims, compare, curves, doctor, report, run)
    commands = {f"./scripts/{each.__name__.rpartition('.')[2]}": each.main for each in modules}
    found = Documents(commands)
    try:
        lines = found.update() if write else found.check()
    except DocumentError as error:
        lines = [str(error)]
        write = False
    print(*lines, sep="\n", end="\n" if lines else "")
    if not found.blocks:
        print("no document has a generated block")
    elif not lines:
        print(f"{found.blocks} generated blocks are what their commands make of the records")
    return 0 if found.blocks and (write or not lines) else 1
