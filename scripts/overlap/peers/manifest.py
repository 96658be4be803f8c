"""The manifest of a peer, peer.toml: what it may say, and what is made of it.

runtimes/peers/README.md describes the keys.
"""

import glob
import hashlib
import importlib.util
import json
import re
import shutil
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overlap.base.exits import UsageError
from overlap.base.machine import ROOT, shown

MODELS = ("sequential", "event loop", "fibers", "threads", "processes")
ALL = "all"  # What --peers calls all of them.
# What scripts/setup does not install for the whole system, and where it puts that.
SOURCES = ("bookworm", "bookworm-backports", "npm")
PACKAGES = ROOT / "build" / "packages"
TEMPORARY = {"__pycache__"}  # What tools leave in a folder, and what is no part of a peer.
# Backends of the suite, and what else stands in the folder that peers are built into.
TAKEN = (
    *("floor", "placebo", "sequential", "coroutine", "fiber", "thread_pool", "thread_per_task"),
    *("process_pool", "process_per_task", ALL, "cargo_home", "cargo_target"),
)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.strip() == value != "" and value.isprintable()


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and value != "" and "\0" not in value


def _is_words(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_word, value))


def _is_commands(value: Any) -> bool:
    return isinstance(value, list) and all(_is_words(command) and command for command in value)


def _is_needs(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(need, dict)
        and len(set(need) & set(HERE)) == 1
        and {"package"} <= set(need) - set(HERE) <= {"package", "source"}
        and all(map(_is_word, need.values()))
        and need.get("source", SOURCES[0]) in SOURCES
        for need in value
    )


def _files_of_command(name: str) -> list[str]:
    path = shutil.which(name)
    return [path] if path else []


def _files_of_module(name: str) -> list[str]:
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):  # The package that it would be in is not here; no name.
        return []
    return [found.origin or name] if found else []


# Where something is that a peer needs; nowhere, if it is not here.
HERE: dict[str, Callable[[str], list[str]]] = {
    "command": _files_of_command,
    "module": _files_of_module,
    "file": glob.glob,
}


def _files_of(need: dict[str, str]) -> list[str]:
    kind = next(kind for kind in HERE if kind in need)
    return HERE[kind](need[kind].replace("{packages}", str(PACKAGES)))


def _is_years(value: Any) -> bool:
    return isinstance(value, dict) and all(
        _is_text(version) and type(year) is int and 1990 <= year < 2100
        for version, year in value.items()
    )


# Files of this name with these endings are written beside the folder of this name.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?<!\.json)(?<!\.new)")
KEYS = {
    "name": (
        "letters, digits, _, - and ., with neither - nor . at its beginning, neither .json nor .new "
        f"at its end, and none of {', '.join(TAKEN)}",
        lambda value: _is_text(value) and NAME.fullmatch(value) and value not in TAKEN,
    ),
    "language": ("text of one line", _is_text),
    "model": (f"one of {', '.join(MODELS)}", lambda value: value in MODELS),
    "order": ("a whole number", lambda value: type(value) is int),
    "needs": (
        f"a list of tables with package, one of {', '.join(HERE)}, and if it is not of this system's "
        f"own packages source, which is {', '.join(SOURCES[:-1])} or {SOURCES[-1]}",
        _is_needs,
    ),
    "likes": ("a list of paths with *", _is_words),
    "shares": ("a list of folders", _is_words),
    "build": ("a list of commands, each a list of words", _is_commands),
    "run": ("a command, a list of words", lambda value: _is_words(value) and value != []),
    "released": ("a table of versions, as they begin, and the years they are of", _is_years),
    "version": ("a command, a list of words", lambda value: _is_words(value) and value != []),
}
DEFAULTS: dict[str, Any] = {
    "order": 100,
    "needs": [],
    "likes": [],
    "shares": [],
    "build": [],
    "released": {},
}


@dataclass(frozen=True)
class Peer:
    """A folder with a sound manifest. `needs` say what, in which package, and from which source."""

    folder: Path
    name: str
    language: str
    model: str
    order: int
    needs: list[dict[str, str]]
    likes: list[str]
    shares: list[str]
    build: list[list[str]]
    run: list[str]
    released: dict[str, int]
    version: list[str]

    @classmethod
    def read(cls, manifest: Path) -> "Peer":
        """Raises UsageError with one line."""
        where = shown(manifest)
        try:
            found = tomllib.loads(manifest.read_text(encoding="utf-8"))
        except OSError as error:
            raise UsageError(f"{where}: {error.strerror}") from error
        except ValueError as error:  # Not UTF-8, or not TOML.
            raise UsageError(f"{where}: {error}") from error
        for key in found:
            if key not in KEYS:
                raise UsageError(f"{where}: {key}: unknown; expected {', '.join(KEYS)}")
        found = DEFAULTS | found
        for key, (expected, good) in KEYS.items():
            if key not in found:
                raise UsageError(f"{where}: {key}: found nothing, expected {expected}")
            if not good(found[key]):
                text = json.dumps(found[key], default=str)
                raise UsageError(f"{where}: {key}: found {text}, expected {expected}")
        for name in found["shares"]:
            if not (manifest.parent / name).is_dir():
                raise UsageError(f"{where}: shares: found {name}, which is no folder beside it")
        return cls(folder=manifest.parent, **found)

    @property
    def missing_packages(self) -> list[str]:
        """Packages of what it needs and is not here, with the source of each that has one."""
        missing = [need for need in self.needs if not _files_of(need)]
        words = [
            f"{need['package']} from {need['source']}" if "source" in need else need["package"]
            for need in missing
        ]
        return list(dict.fromkeys(words))

    def dated(self, version: str) -> str:
        """With the year behind each version that it knows the year of."""
        for begin, year in self.released.items():
            pattern = rf"{re.escape(begin)}(?!\d)[^\s,]*"
            version = re.sub(pattern, rf"\g<0> ({year})", version, count=1)
        return version

    def tools(self) -> str:
        """What it needs or likes as it is here, so that another version is another text: each file's
        place, size and time of change, links followed."""
        lines = []
        needed = {name for need in self.needs for name in _files_of(need)}
        liked = {name for pattern in self.likes for name in glob.glob(pattern)}
        for name in sorted(needed | liked):
            path = Path(name).resolve()
            if path.exists():
                found = path.stat()
                lines.append(f"{path} {found.st_size} {found.st_mtime_ns}\n")
        return "".join(lines)

    def digest(self) -> str:
        """Of all files of its folder and of those that it shares, by name and content."""
        sum = hashlib.sha256()
        for folder in [self.folder, *(self.folder / name for name in self.shares)]:
            for path in sorted(folder.rglob("*")):
                if path.is_file() and not TEMPORARY & set(path.parts):
                    sum.update(f"{path.relative_to(folder)}\0".encode())
                    sum.update(hashlib.sha256(path.read_bytes()).digest())
        return sum.hexdigest()

    def command(self, words: Sequence[str], build: Path) -> list[str]:
        """With the folders that the manifest leaves open."""
        folders = {"folder": self.folder, "build": build, "packages": PACKAGES}
        pattern = re.compile(r"\{(folder|build|packages)\}")
        return [pattern.sub(lambda found: str(folders[found[1]]), word) for word in words]
