"""Ranks of MPI, for rows on one machine or on many: where they run, how they are started, and what they
say first. They are written down for the benchmark binaries as peers are.

runtimes/mpi/README.md describes the runtime, bench/harness/README.md how it is measured.
"""

import hashlib
import json
import os
import re
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overlap.base.exits import UsageError
from overlap.base.machine import file_hash, shown
from overlap.base.processes import run_contained
from overlap.peers.hello import Unusable, one_line

LOCAL = "local"
LAUNCHER = "mpirun"
VERSION_DEADLINE_S = 20.0
HELLO_DEADLINE_S = 60.0  # Far hosts may be slow to reach.
MOST_RANKS = 1_000_000
# By their names: a rank a core, or a rank a host with the thread pool inside.
RUNTIMES = ("mpi", "mpi+thread_pool")
ENTRY = re.compile(r"(?P<host>[A-Za-z0-9._-]+)(?::(?P<slots>\d+))?")
IN_FILE = re.compile(
    r"(?P<host>[A-Za-z0-9._-]+)(?:\s+slots\s*=\s*(?P<slots>\d+)|:(?P<slots2>\d+))?"
)
AS_ROOT = ("OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1")
# Ranks that wait poll; where there are more than cores, they have to let each other run.
YIELDING = ("OMPI_MCA_mpi_yield_when_idle=1",)


@dataclass(frozen=True)
class Host:
    """Where as many ranks run as it has slots; its name is empty for this machine."""

    name: str
    slots: int


def read_hosts(text: str, cores: int) -> list[Host]:
    """What --mpi says: `local`, `local:N`, `host1:8,host2:8`, or a file with a host a line. Raises
    UsageError."""
    if "/" in text or os.path.isfile(text):
        return _hosts_of_file(Path(text))
    said = f"--mpi {text[:60]}"
    hosts = []
    for entry in text.split(","):
        found = ENTRY.fullmatch(entry.strip())
        if not found:
            raise UsageError(
                f"{said}: '{entry[:60]}' is no host; expected local, local:4, host1:8,host2:8, or "
                "a file with a host a line"
            )
        is_local = found["host"] == LOCAL
        slots = found["slots"] or (str(cores) if is_local else "1")
        hosts.append(Host("" if is_local else found["host"], _slots(said, slots)))
    if len(hosts) > 1 and any(not host.name for host in hosts):
        raise UsageError(f"{said}: {LOCAL} stands alone; call this machine by its name")
    return hosts


def _hosts_of_file(path: Path) -> list[Host]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a text"
        raise UsageError(f"--mpi {path}: {why}; expected a file with a host a line") from error
    hosts = []
    for number, line in enumerate(lines, 1):
        words = line.split("#")[0].strip()
        if not words:
            continue
        found = IN_FILE.fullmatch(words)
        where = f"{path}:{number}"
        if not found:
            raise UsageError(f"{where}: '{words}' is no host; expected e.g. 'host1 slots=8'")
        hosts.append(Host(found["host"], _slots(where, found["slots"] or found["slots2"] or "1")))
    if not hosts:
        raise UsageError(f"--mpi {path}: no host in it; expected lines such as 'host1 slots=8'")
    return hosts


def _slots(where: str, text: str) -> int:
    if len(text) > len(str(MOST_RANKS)) or not 0 < int(text) <= MOST_RANKS:
        raise UsageError(f"{where}: {text[:20]} ranks; expected a number from 1 to {MOST_RANKS:,}")
    return int(text)


def launch(
    runtime: str,
    hosts: Sequence[Host],
    options: Sequence[str],
    program: Sequence[str],
    crowded: bool,
) -> list[str]:
    """The command that starts all ranks of one of RUNTIMES. `crowded`: there are more than cores."""
    with_pool = runtime != RUNTIMES[0]
    ranks = len(hosts) if with_pool else sum(host.slots for host in hosts)
    environment = [*(AS_ROOT if os.geteuid() == 0 else ()), *(YIELDING if crowded else ())]
    command = [*(["env", *environment] if environment else []), LAUNCHER, "-n", str(ranks)]
    command += ["--bind-to", "none"]  # Whoever holds a run to some cores does so by itself.
    if hosts[0].name:
        command += ["--host", ",".join(f"{host.name}:{host.slots}" for host in hosts)]
        command += ["--map-by", "ppr:1:node"] if with_pool else []
    else:
        command += ["--oversubscribe"]
    command += [*options, *program, "--runtime", runtime, "--ranks", str(ranks)]
    if with_pool:
        command += ["--workers", ",".join(str(host.slots) for host in hosts)]
    return command


def why_no_ranks(program: Path) -> str:
    """Empty if they can be started; else what they need."""
    missing = [] if program.exists() else ["libopenmpi-dev"]
    missing += [] if shutil.which(LAUNCHER) else ["openmpi-bin"]
    return f"needs {', '.join(missing)}" if missing else ""


def prepare_ranks(
    text: str, options: str, directory: Path, program: Path, workloads: Path, cores: int
) -> dict[str, str]:
    """Starts each of RUNTIMES once for its hello, and writes down what it is, one file each in
    `directory`. Returns, by name, what they are made from. Raises UsageError where the hosts cannot be
    used as they were given."""
    hosts = read_hosts(text, cores)
    try:
        more = shlex.split(options)
    except ValueError as error:
        raise UsageError(f"--mpi-options {options}: {error}") from error
    missing = why_no_ranks(program)
    digests = {}
    for order, runtime in enumerate(RUNTIMES):
        command = [str(program), "--workloads", str(workloads)]
        told = _describe(runtime, hosts, more, command, missing, text) | {"order": order}
        try:
            directory.mkdir(parents=True, exist_ok=True)
            path = written_down(directory, runtime)
            path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"cannot write {shown(directory)}: {error.strerror}") from error
        made_from = json.dumps([told["command"], told["version"]]) + (
            file_hash(program) if program.exists() else ""
        )
        digests[runtime] = hashlib.sha256(made_from.encode()).hexdigest()
    return digests


def written_down(directory: Path, runtime: str) -> Path:
    """The file that says how ranks are started."""
    return directory / f"{runtime}.json"


def _describe(
    runtime: str,
    hosts: Sequence[Host],
    options: Sequence[str],
    program: Sequence[str],
    missing: str,
    text: str,
) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": runtime,
        "language": "C++",
        "model": "processes",
        "command": launch(runtime, hosts, options, program, crowded=False),
        "folder": str(Path(program[0]).parent),
        "version": "",
        "task_limit": sum(host.slots for host in hosts),
        "cores": 0,
        "skip": f"skipped: {missing}" if missing else "",
    }
    if missing:
        return told
    try:
        hello = ask_ranks(told["command"])
        if hello["oversubscribed"]:
            told["command"] = launch(runtime, hosts, options, program, crowded=True)
            hello = ask_ranks(told["command"])
    except Unusable as error:
        raise UsageError(f"--mpi {text}: {error}{_another_launcher()}") from error
    return told | {key: hello[key] for key in ("version", "task_limit", "cores")}


def ask_ranks(command: Sequence[str]) -> dict[str, Any]:
    """What ranks say first; with nothing to read they end after that. Raises Unusable."""
    try:
        outcome = run_contained(command, HELLO_DEADLINE_S)
    except OSError as error:
        raise Unusable(f"{command[0]} cannot be started: {error.strerror}") from error
    try:
        said = json.loads(outcome.output.splitlines()[0])
        if "error" in said:
            raise Unusable(one_line(str(said["error"])))
        hello = said["hello"]
        return {
            "version": one_line(str(hello["version"])),
            "task_limit": int(hello["task_limit"]),
            "cores": int(hello["cores"]),
            "oversubscribed": bool(hello["oversubscribed"]),
        }
    except (ValueError, KeyError, TypeError, IndexError):
        late = f"no answer within {HELLO_DEADLINE_S:g} s: " if outcome.timed_out else ""
        words = words_of_launcher(outcome.errors) or f"{LAUNCHER} ended with {outcome.status}"
        raise Unusable(late + words) from None


def words_of_launcher(errors: str) -> str:
    """The first paragraph of what a launcher said, without the frame that it puts around it."""
    words: list[str] = []
    for line in errors.splitlines():
        is_word = any(letter.isalnum() for letter in line)
        if words and not is_word:
            break
        if is_word:
            words.append(line.strip())
        if line.startswith("ssh: "):
            break
    return one_line(" ".join(words))


def _another_launcher() -> str:
    """What to say when the launcher is not Open MPI's."""
    try:
        said = run_contained([LAUNCHER, "--version"], VERSION_DEADLINE_S).output
    except OSError:
        return ""
    first = said.splitlines()[0] if said else "says nothing of itself"
    return "" if "Open MPI" in first else f" ({LAUNCHER} is: {first[:60]})"
