"""Peers: other people's runtimes, each a folder of runtimes/peers/ with a manifest. They are found,
chosen, built, asked what they are, and written down for the benchmark binaries.

runtimes/peers/README.md describes how a peer is made and spoken with.
"""

import json
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from overlap.base.building import logged
from overlap.base.choices import chosen_names
from overlap.base.exits import UsageError
from overlap.base.machine import ROOT, shown
from overlap.base.processes import nothing_left_behind, run_contained
from overlap.peers.hello import Unusable, ask, one_line
from overlap.peers.manifest import ALL, Peer

FOLDER = ROOT / "runtimes" / "peers"
BUILD_DEADLINE_S = 1800.0  # Of each command.
VERSION_DEADLINE_S = 10.0


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
    known = [peer.name for peer in peers]
    wanted = known if names == ALL else chosen_names("peers", names, known, "peer")
    return [peer for peer in peers if peer.name in wanted]


def prepare(peers: Sequence[Peer], directory: Path) -> None:
    """Builds what can be built into folders of `directory`, and writes down what each is or why it
    is skipped: one file a peer, which the benchmark binaries read. Files of other peers stay, since
    a run may be using them. Raises UsageError where nothing can be written."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for peer in peers:
            text = json.dumps(describe(peer, directory / peer.name), indent=1) + "\n"
            path = written_down(directory, peer.name)
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                new = path.with_suffix(".new")
                new.write_text(text, encoding="utf-8")
                os.replace(new, path)
    except OSError as error:
        where = shown(Path(error.filename)) if error.filename else shown(directory)
        raise UsageError(f"cannot build peers: {where}: {error.strerror}") from error


def written_down(directory: Path, name: str) -> Path:
    """The file that says what a peer is."""
    return directory / f"{name}.json"


def describe(peer: Peer, build: Path) -> dict[str, Any]:
    """What the benchmark binaries and the record are told of a peer."""
    build.mkdir(parents=True, exist_ok=True)
    told: dict[str, Any] = {
        "name": peer.name,
        "language": peer.language,
        "model": peer.model,
        "order": peer.order,
        "command": peer.command(peer.run, build),
        "folder": str(peer.folder),
        "digest": peer.digest(),
        "version": "",
        "task_limit": None,
        "skip": "",
    }
    try:
        if missing := peer.missing_packages:
            raise Unusable(f"needs {', '.join(missing)}")
        build_peer(peer, build)
        hello = ask(told["command"], peer.folder)
        told["task_limit"] = hello["task_limit"]
        told["version"] = peer.dated(joined(hello["version"], version_of(peer, build)))
    except Unusable as error:
        told["skip"] = f"skipped: {error}"
    return told


def joined(runtime: str, language: str) -> str:
    """The versions of a runtime and of its language, which may be one and the same."""
    return runtime if language in runtime else f"{runtime}, {language}"


def build_peer(peer: Peer, build: Path) -> None:
    """Does nothing if it was built from the same files with the same tools before. Raises
    Unusable."""
    stamp = build / ".built_from"
    built_from = f"{peer.digest()}\n{peer.tools()}"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == built_from:
        return
    log = build / "build.log"
    log.write_bytes(b"")
    for command in peer.build:
        words = peer.command(command, build)
        try:
            with nothing_left_behind():
                status = logged(words, log, {"BUILD": str(build)}, peer.folder, BUILD_DEADLINE_S)
        except subprocess.TimeoutExpired as error:
            limit = f"{words[0]} was not done after {BUILD_DEADLINE_S:g} s"
            raise Unusable(f"the build failed: {limit} ({shown(log)})") from error
        except OSError as error:
            raise Unusable(f"the build failed: {words[0]}: {error.strerror}") from error
        if status != 0:
            why = first_error(log) or f"{words[0]} ended with {ending(status)} and printed nothing"
            raise Unusable(f"the build failed: {why} ({shown(log)})")
    stamp.write_text(built_from, encoding="utf-8")


def ending(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit code {status}"


def first_error(log: Path) -> str:
    """The first line that speaks of an error, or the last line; empty if there is none."""
    text = log.read_text(encoding="utf-8", errors="replace")
    lines = [line for line in map(one_line, text.splitlines()) if line]
    errors = [line for line in lines if re.search("error", line, re.IGNORECASE)]
    return (errors or lines[-1:] or [""])[0]


def version_of(peer: Peer, build: Path) -> str:
    """The first line that the version command prints. Raises Unusable."""
    command = peer.command(peer.version, build)
    try:
        done = run_contained(command, VERSION_DEADLINE_S, folder=peer.folder)
    except OSError as error:
        words = f"its version command cannot be started: {command[0]}: {error.strerror}"
        raise Unusable(words) from error
    if done.timed_out:
        raise Unusable(f"its version command was not done after {VERSION_DEADLINE_S:g} s")
    lines = [one_line(line) for line in (done.output + done.errors).splitlines() if line.strip()]
    if done.status != 0 or not lines:
        said = f": {lines[-1]}" if lines else " and printed nothing"
        raise Unusable(f"its version command ended with {ending(done.status)}{said}")
    return lines[0]


def prepared(directory: Path, names: str) -> list[str]:
    """The peers of `directory` that `names` says, or all. Raises UsageError for one that it has
    not."""
    known = sorted(path.stem for path in directory.glob("*.json"))
    hint = f"{shown(directory)} has no others; ./scripts/run --peers without --build makes them"
    if names == ALL and known:
        return known
    return chosen_names("peers", names, known, "peer", hint)


def digests(directory: Path, names: Sequence[str]) -> dict[str, str]:
    """By name, what peers were made from, as their files in `directory` say."""
    found = {}
    for name in names:
        path = written_down(directory, name)
        try:
            found[name] = json.loads(path.read_text(encoding="utf-8"))["digest"]
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{shown(path)}: describes no peer ({error!r})") from error
    return found
