"""Whether records are older than the code that they describe: what of it has changed since the commit in
their head."""

import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from overlap.base.machine import ROOT
from overlap.records.files import Records
from overlap.records.rows import Row

# Whatever is measured runs through these.
SHARED = ("bench/cases", "bench/harness", "bench/workloads", "runtimes/core")
# Of the suite's own backends, by how their names begin, the folders in runtimes/.
FOLDERS = {
    "coroutine": ("coroutine", "loops"),
    "fiber": ("fiber", "loops"),
    "floor": ("floor",),
    "mpi": ("mpi",),
    "process_": ("process",),
    "sequential": ("sequential",),
    "sharded_fiber": ("cores", "fiber", "loops"),
    "sharded_": ("cores", "coroutine", "loops"),
    "stealing_": ("cores", "coroutine", "loops"),
    "thread_": ("thread_pool",),
}
# What peers of a language share, in runtimes/peers/.
OF_LANGUAGE = {"C++": "cpp", "Python": "python", "Rust": "rust"}
# Changes of these change no figure.
NO_CODE = re.compile(
    r"_test\.[a-z]+$|(^|/)(test_[^/]*|conftest\.py|few\.toml|[^/]*\.md)$|/testing/|fuzz_"
)


class NoHistory(Exception):
    """The commit of a record is not to be found here; the text is one line that says why."""


def code_of(rows: Iterable[Row]) -> set[str]:
    """The folders with what these rows ran. A workload's folder is not the business of the others."""
    found = set(SHARED)
    for row in rows:
        found.add(f"bench/workloads/{row.workload}")
        if row.workload in ("echo", "serve"):
            found.add("bench/echo_load")
        own = [names for begin, names in FOLDERS.items() if row.backend.startswith(begin)]
        if row.model and not row.backend.startswith("mpi"):
            found |= {f"runtimes/peers/{row.backend}", "bench/peers"}
            found.add(f"runtimes/peers/{OF_LANGUAGE.get(row.language, row.backend)}")
        elif own:
            found |= {f"runtimes/{name}" for name in own[0]}
    return found


def changed_files(commit: str, root: Path = ROOT) -> list[str]:
    """Files that differ now from what they were at a commit. Raises NoHistory."""
    if not re.fullmatch(r"[0-9a-f]{7,64}", commit):  # Never an option of git's.
        raise NoHistory("commit unknown: the records do not say at which they were measured")
    command = ["git", "-C", str(root), "diff", "--name-only", "--no-renames", commit]
    try:
        ran = subprocess.run(
            [*command, "--", "bench", "runtimes"], capture_output=True, text=True, check=True
        )
    except OSError as error:
        raise NoHistory(f"git: {error.strerror}") from error
    except subprocess.CalledProcessError as error:
        said = (error.stderr.strip().splitlines() or [f"exit code {error.returncode}"])[-1]
        raise NoHistory(f"commit {commit[:10]} is not in this history ({said})") from error
    return ran.stdout.splitlines()


def changed_since(records: Records, root: Path = ROOT) -> dict[str, int]:
    """By folder how many files have changed of the code that the record's samples ran. Raises NoHistory."""
    measured = {sample["row"] for sample in records.samples if "error" not in sample}
    rows = [Row.from_record(row) for row in records.head["rows"]]
    folders = code_of(row for row in rows if row.row in measured)
    found: dict[str, int] = {}
    for name in changed_files(str(records.head["suite"]["commit"]), root):
        folder = _folder_of(name, folders)
        if folder and not NO_CODE.search(name):
            found[folder] = found.get(folder, 0) + 1
    return dict(sorted(found.items()))


def _folder_of(name: str, folders: set[str]) -> str:
    parts = Path(name).parts
    depth = (
        3 if parts[:2] in (("bench", "workloads"), ("runtimes", "peers")) and len(parts) > 3 else 2
    )
    folder = "/".join(parts[:depth])
    return folder if folder in folders and len(parts) > depth else ""


def age_words(records: Records, changed: dict[str, int]) -> str:
    """For documents: as long as something differs, these words stay the same, whatever it is."""
    suite, day = records.head["suite"], str(records.head.get("started", ""))[:10]
    begun = f"Measured at commit {suite['commit'][:10]}" + (f" on {day}" if day else "")
    if not changed:
        return f"{begun}; the code of these workloads and backends is the same today."
    return (
        f"{begun}. **Older than the code**: what these workloads or backends run has changed since, so "
        "today's figures may differ."
    )


def what_changed(changed: dict[str, int]) -> Iterator[str]:
    for folder, files in changed.items():
        yield f"{folder}: {files} file{'' if files == 1 else 's'}"
