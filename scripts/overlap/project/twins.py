"""Proves that the coroutine body of each workload and its direct twin are the same text.

The convention: a function template that begins `template <stackless_runtime` in the first column
and ends with the first `}` there is followed, with at most one comment between them, by a template
that begins `template <direct_runtime`. The twin is the same text with `stackless_runtime` read as
`direct_runtime`, `co_await` dropped, `co_return` read as `return` and `task<T>` as `T`. White space
and comments do not count, since the formatter may wrap the two differently.
"""

import argparse
import difflib
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from overlap.base.exits import guarded
from overlap.base.machine import ROOT

PAIRED_HEADERS = [
    ROOT / "runtimes" / "clients" / "exchange.hpp",
    ROOT / "runtimes" / "clients" / "http_session.hpp",
    ROOT / "runtimes" / "clients" / "postgresql_session.hpp",
    *sorted((ROOT / "bench" / "workloads").glob("*/body.hpp")),
    *(
        ROOT / "runtimes" / "conformance" / f"runtime_{name}.hpp"
        for name in (
            "tasks",
            "rules_io",
            "rules_waiting",
            "rules_cores",
            "rules_deadlines",
            "rules_cancel",
            "rules_with_deadline",
        )
    ),
]

TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)
    |(?P<space>\s+)
    |(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
    |(?P<word>[A-Za-z_]\w*|\d[\w.']*)
    |(?P<mark>->|::|.)""",
    re.VERBOSE | re.DOTALL,
)


class TwinError(Exception):
    """A pair that is not equal, or no pair at all; the text says where and shows the difference."""


@dataclass(frozen=True)
class Function:
    name: str
    line: int  # Of its first line, from 1.
    text: str


def tokens_of(text: str) -> list[str]:
    return [m.group() for m in TOKEN.finditer(text) if m.lastgroup not in ("comment", "space")]


def direct_tokens(stackless: list[str]) -> list[str]:
    """The tokens of the direct twin of a stackless text."""
    renamed = {"stackless_runtime": "direct_runtime", "co_return": "return"}
    direct = [renamed.get(token, token) for token in stackless if token != "co_await"]
    at = 0
    while at + 1 < len(direct):
        if direct[at] == "task" and direct[at + 1] == "<":
            close = _closing(direct, at + 1)
            direct[at : close + 1] = direct[at + 2 : close]
        else:
            at += 1
    return direct


def _closing(tokens: list[str], opening: int) -> int:
    """Where the `>` is that closes the `<` at `opening`; parentheses may hold others."""
    depth = parentheses = 0
    for at in range(opening, len(tokens)):
        parentheses += {"(": 1, ")": -1}.get(tokens[at], 0)
        if parentheses == 0:
            depth += {"<": 1, ">": -1}.get(tokens[at], 0)
        if depth == 0:
            return at
    raise TwinError("task< is never closed")


def find_pairs(source: str) -> list[tuple[Function, Function]]:
    """Every stackless function template with its twin. Raises TwinError where the twin is not."""
    lines = source.splitlines()
    pairs = []
    for at, line in enumerate(lines):
        if line.startswith("template <stackless_runtime"):
            stackless = _function(lines, at)
            after = at + len(stackless.text.splitlines())
            after = _skip_comment(lines, after)
            if after == len(lines) or not lines[after].startswith("template <direct_runtime"):
                raise TwinError(f"{at + 1}: {stackless.name} has no direct twin right below it")
            pairs.append((stackless, _function(lines, after)))
    return pairs


def _function(lines: list[str], begin: int) -> Function:
    for end in range(begin, len(lines)):
        if lines[end].startswith("}"):
            text = "\n".join(lines[begin : end + 1])
            found = re.search(r"(\w+)\s*\(", re.sub(r"requires\s*\(", "", text))
            return Function(found.group(1) if found else "template", begin + 1, text)
    raise TwinError(f"{begin + 1}: no }} in the first column ends this template")


def _skip_comment(lines: list[str], at: int) -> int:
    """Past blank lines and one comment, which may take several lines."""
    while at < len(lines) and not lines[at].strip():
        at += 1
    while at < len(lines) and lines[at].startswith("//"):
        at += 1
    while at < len(lines) and not lines[at].strip():
        at += 1
    return at


def prove(stackless: Function, direct: Function) -> None:
    """Raises TwinError with the difference if the two are not twins."""
    expected, actual = direct_tokens(tokens_of(stackless.text)), tokens_of(direct.text)
    if expected == actual:
        return
    difference = difflib.unified_diff(
        _statements(expected),
        _statements(actual),
        f"{stackless.name}, line {stackless.line}, as its direct twin must be",
        f"{direct.name}, line {direct.line}",
        lineterm="",
    )
    raise TwinError(f"{direct.line}: {direct.name} differs\n" + "\n".join(difference))


def _statements(tokens: list[str]) -> list[str]:
    """Lines that end where statements and blocks do, for a difference that can be read."""
    text = " ".join(tokens)
    return re.sub(r"([;{}]) ", r"\1\n", text).splitlines()


def check(arguments: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/twins",
        description="Proves that each coroutine body and the direct twin below it are the same "
        "text. Exit code 1 if two differ, or if a file has no pair.",
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", default=PAIRED_HEADERS)
    failed = False
    for file in parser.parse_args(arguments).files:
        shown = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file
        try:
            pairs = find_pairs(file.read_text(encoding="utf-8"))
            for stackless, direct in pairs:
                prove(stackless, direct)
                print(f"{shown}:{stackless.line}: {stackless.name} equals its direct twin")
            if not pairs:
                raise TwinError(
                    "nothing to prove: no template <stackless_runtime ...> begins a line"
                )
        except TwinError as error:
            print(f"{shown}:{error}", file=sys.stderr)
            failed = True
        except OSError as error:
            print(f"{shown}: {error.strerror}", file=sys.stderr)
            failed = True
    return 1 if failed else 0


def main(arguments: Sequence[str] | None = None) -> int:
    return guarded("scripts/twins", lambda: check(arguments))


if __name__ == "__main__":
    sys.exit(main())
