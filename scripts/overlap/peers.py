"""Peers: other people's runtimes, each a folder of runtimes/peers/ with a manifest, peer.toml. They
are found, built, asked what they are, and written down for the benchmark binaries.

runtimes/peers/README.md describes the manifest and how a peer is spoken with.
"""

import glob
import hashlib
import importlib.util
import json
import os
import re
import select
import shutil
import subprocess
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overlap.building import logged
from overlap.machine import ROOT, shown
from overlap.sampling import UsageError

FOLDER = ROOT / "runtimes" / "peers"
MODELS = ("sequential", "event loop", "fibers", "threads", "processes")
ALL = "all"
HELLO_DEADLINE_S = 20.0
VERSION_DEADLINE_S = 10.0
TEMPORARY = {"__pycache__"}  # What tools leave in a folder, and what is no part of a peer.


def _is_words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) and word for word in value)


def _is_commands(value: Any) -> bool:
    return isinstance(value, list) and all(_is_words(command) and command for command in value)


def _is_needs(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(need, dict)
        and len(need) == 2
        and "package" in need
        and set(need) & set(HERE)
        and all(isinstance(text, str) and text for text in need.values())
        for need in value
    )


# How to see whether something that a peer needs is here.
HERE = {
    "command": lambda name: shutil.which(name) is not None,
    "module": lambda name: importlib.util.find_spec(name) is not None,
    "file": lambda pattern: bool(glob.glob(pattern)),
}
NAME = re.compile(r"(?!(floor|placebo)$)[A-Za-z0-9_.-]+")
KEYS = {
    "name": (
        "letters, digits, _, - and ., but neither floor nor placebo",
        lambda value: isinstance(value, str) and NAME.fullmatch(value) is not None,
    ),
    "language": ("text", lambda value: isinstance(value, str) and value != ""),
    "model": (f"one of {', '.join(MODELS)}", lambda value: value in MODELS),
    "order": ("a whole number", lambda value: type(value) is int),
    "needs": (f"a list of tables with package and one of {', '.join(HERE)}", _is_needs),
    "shares": ("a list of folders", _is_words),
    "build": ("a list of commands, each a list of words", _is_commands),
    "run": ("a command, a list of words", lambda value: _is_words(value) and value != []),
    "version": ("a command, a list of words", lambda value: _is_words(value) and value != []),
}
DEFAULTS: dict[str, Any] = {"order": 100, "needs": [], "shares": [], "build": []}


@dataclass(frozen=True)
class Peer:
    """A folder with a sound manifest. `needs` are (kind, what, Debian package)."""

    folder: Path
    name: str
    language: str
    model: str
    order: int
    needs: list[dict[str, str]]
    shares: list[str]
    build: list[list[str]]
    run: list[str]
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
        return cls(folder=manifest.parent, **found)

    @property
    def missing_packages(self) -> list[str]:
        """Debian packages of what it needs and is not here."""
        missing = []
        for need in self.needs:
            kind = next(kind for kind in HERE if kind in need)
            if not HERE[kind](need[kind]):
                missing.append(need["package"])
        return list(dict.fromkeys(missing))

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
        folders = {"{folder}": str(self.folder), "{build}": str(build)}
        return [
            re.sub(r"\{(folder|build)\}", lambda found: folders[found[0]], word) for word in words
        ]


def find_peers(folder: Path = FOLDER) -> list[Peer]:
    """In the order of tables. Raises UsageError if a manifest is not sound, or two have one name."""
    peers = [Peer.read(manifest) for manifest in sorted(folder.glob("*/peer.toml"))]
    by_name: dict[str, Peer] = {}
    for peer in peers:
        first = by_name.setdefault(peer.name, peer)
        if first is not peer:
            raise UsageError(
                f"{shown(peer.folder / 'peer.toml')}: name: {peer.name} is the name of "
                f"{shown(first.folder / 'peer.toml')}, too; give one of them another"
            )
    return sorted(peers, key=lambda peer: (peer.order, peer.name))


def chosen_peers(peers: Sequence[Peer], names: str) -> list[Peer]:
    """Those that `names` says, separated by commas, or all. Raises UsageError for an unknown one."""
    if names == ALL:
        return list(peers)
    wanted = names.split(",")
    known = [peer.name for peer in peers]
    for name in wanted:
        if name not in known:
            raise UsageError(f"--peers {names}: no peer {name!r}; expected {', '.join(known)}")
    return [peer for peer in peers if peer.name in wanted]


class Unusable(Exception):
    """A peer cannot be used here; the text says why."""


def prepare(peers: Sequence[Peer], directory: Path) -> None:
    """Builds what can be built into folders of `directory`, and writes down what each is or why it
    is skipped: one file a peer, which the benchmark binaries read. Files of other peers stay, since
    a run may be using them."""
    directory.mkdir(parents=True, exist_ok=True)
    for peer in peers:
        text = json.dumps(describe(peer, directory / peer.name), indent=1) + "\n"
        path = directory / f"{peer.name}.json"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            new = path.with_suffix(".new")
            new.write_text(text, encoding="utf-8")
            os.replace(new, path)


def describe(peer: Peer, build: Path) -> dict[str, Any]:
    """What the benchmark binaries and the record are told of a peer."""
    build.mkdir(parents=True, exist_ok=True)
    told: dict[str, Any] = {
        "name": peer.name,
        "language": peer.language,
        "model": peer.model,
        "order": peer.order,
        "command": peer.command(peer.run, build),
        "digest": peer.digest(),
        "version": "",
        "task_limit": None,
        "skip": "",
    }
    try:
        if missing := peer.missing_packages:
            raise Unusable(f"needs {', '.join(missing)}")
        build_peer(peer, build)
        hello = ask(told["command"])
        told["task_limit"] = hello["task_limit"]
        told["version"] = joined(hello["version"], version_of(peer, build))
    except Unusable as error:
        told["skip"] = f"skipped: {error}"
    return told


def joined(runtime: str, language: str) -> str:
    """The versions of a runtime and of its language, which may be one and the same."""
    return runtime if language in runtime else f"{runtime}, {language}"


def build_peer(peer: Peer, build: Path) -> None:
    """Does nothing if it was built from the same files before. Raises Unusable."""
    stamp = build / ".built_from"
    digest = peer.digest()
    if stamp.exists() and stamp.read_text(encoding="utf-8") == digest:
        return
    log = build / "build.log"
    log.unlink(missing_ok=True)
    for command in peer.build:
        words = peer.command(command, build)
        try:
            status = logged(words, log, {"BUILD": str(build)}, peer.folder)
        except OSError as error:
            raise Unusable(f"{words[0]}: {error.strerror}") from error
        if status != 0:
            raise Unusable(f"the build failed: {first_error(log)} ({shown(log)})")
    stamp.write_text(digest, encoding="utf-8")


def first_error(log: Path) -> str:
    """The first line that speaks of an error, or the last line."""
    lines = [
        line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()
    ]
    lines = [line for line in lines if line] or ["it printed nothing"]
    return next((line for line in lines if re.search("error", line, re.IGNORECASE)), lines[-1])


def version_of(peer: Peer, build: Path) -> str:
    """The first line that the version command prints. Raises Unusable."""
    command = peer.command(peer.version, build)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=VERSION_DEADLINE_S,
            cwd=peer.folder,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unusable(f"its version command does not work: {error}") from error
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        said = f": {lines[-1]}" if lines else ""
        raise Unusable(f"its version command failed with exit code {done.returncode}{said}")
    return lines[0].strip()


def ask(command: Sequence[str]) -> dict[str, Any]:
    """Starts a peer for its first line, its hello, and ends it. Raises Unusable."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise Unusable(f"it cannot be started: {command[0]}: {error.strerror}") from error
    with process:
        try:
            line = _first_line(process, time.monotonic() + HELLO_DEADLINE_S)
        finally:
            _kill_group(process.pid)
        errors = process.stderr.read().decode(errors="replace").strip().splitlines()
    return _hello_in(line, errors[-1] if errors else "")


def _first_line(process: subprocess.Popen[bytes], deadline: float) -> bytes:
    """What a process says until the end of a line, of its output, or of our patience."""
    descriptor = process.stdout.fileno()
    said = b""
    while b"\n" not in said:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            raise Unusable(f"it says no hello within {HELLO_DEADLINE_S:g} s")
        part = os.read(descriptor, 65536)
        if not part:
            break
        said += part
    return said.split(b"\n")[0]


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, 9)
    except ProcessLookupError:
        pass


def _hello_in(line: bytes, last_words: str) -> dict[str, Any]:
    try:
        hello = json.loads(line)["hello"]
        limit = hello["task_limit"]
        if (limit is None or (type(limit) is int and limit > 0)) and hello["version"]:
            return {"version": str(hello["version"]), "task_limit": limit}
    except (ValueError, KeyError, TypeError):
        pass
    said = last_words or line.decode(errors="replace")[:80] or "nothing"
    raise Unusable(f"its first line is no hello: {said}")


def digests(directory: Path, names: str) -> dict[str, str]:
    """By name, what the peers that a run has chosen were made from, as their files say."""
    found = {}
    for path in sorted(directory.glob("*.json")):
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            if names == ALL or told["name"] in names.split(","):
                found[told["name"]] = told["digest"]
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{shown(path)}: describes no peer ({error!r})") from error
    return found
