"""The benchmark binaries of one build, and the head record of a run with them."""

import argparse
import re
import secrets
import sys
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from overlap.base.choices import chosen_names
from overlap.base.exits import UsageError
from overlap.base.machine import ROOT, describe_machine, describe_suite, file_hash, from_root, shown
from overlap.measure.plan import REPEATED_SHARE
from overlap.measure.profiles import Profile
from overlap.measure.samples import Listing, list_rows, utc_now
from overlap.records.files import Records
from overlap.records.models import language_of, model_of
from overlap.records.rows import Row

# In the order of their cases.
WORKLOADS = tuple(tomllib.loads((ROOT / "bench" / "workloads.toml").read_text(encoding="utf-8")))
OF_PEER = "peers/"  # How a peer's name begins among the hashes.
# Options that choose rows by what they are, beside --filter.
PROPERTIES: dict[str, Callable[[Row], str]] = {
    "workload": lambda row: row.workload,
    "case": lambda row: row.case,
    "backend": lambda row: row.backend,
    "model": model_of,
    "language": language_of,
}


@dataclass(frozen=True)
class Served:
    """Servers that a run has beside the binaries: what these are told of them, what records say of them
    by name, and what CPU time they have used so far."""

    arguments: list[str] = field(default_factory=list)
    settings: dict[str, dict[str, str]] = field(default_factory=dict)
    cpu_s: Callable[[], float] = lambda: 0.0


@dataclass
class Suite:
    """One binary a workload, and what each can measure with the options of this run."""

    directory: Path
    listings: dict[str, Listing]
    peers: dict[str, str]  # By name, what those of this run were made from.
    served: Served = field(default_factory=Served)

    @classmethod
    def open(
        cls, directory: Path, arguments: list[str], peers: dict[str, str], some: bool = False
    ) -> "Suite":
        """With `some` a binary may be missing, as long as one is there; standard error names those that
        are."""
        suite = cls(directory.resolve(), {}, peers)
        there = [name for name in WORKLOADS if suite.binary(name).exists()]
        wanted = there if some and there else WORKLOADS
        missing = [suite.binary(name).name for name in WORKLOADS if name not in wanted]
        if missing:
            words = f"{shown(directory)} has no {', '.join(missing)}: their rows are left out"
            print(f"scripts/run: {words}", file=sys.stderr)
        for workload in wanted:
            suite.listings[workload] = list_rows(suite.binary(workload), arguments)
        return suite

    def serve(self, served: Served, workloads: Iterable[str], arguments: list[str]) -> None:
        """From now on there are these servers, on which depends which rows of `workloads` can run."""
        self.served = served
        for workload in [name for name in workloads if name in self.listings]:
            self.listings[workload] = list_rows(
                self.binary(workload), [*arguments, *served.arguments]
            )

    def hashes(self) -> dict[str, str]:
        """Of the binaries, by workload, and of the files that the peers were made from."""
        hashes = {workload: file_hash(self.binary(workload)) for workload in self.listings}
        return hashes | {f"{OF_PEER}{name}": digest for name, digest in self.peers.items()}

    def binary(self, workload: str) -> Path:
        return self.directory / "bench" / f"bench_{workload}"

    def chosen_rows(self, options: argparse.Namespace) -> list[Row]:
        """Those that every given one of --filter and the options for properties lets through."""
        rows = [
            row
            for listing in self.listings.values()
            for row in listing.rows
            if not row.model or row.backend in self.peers
        ]
        of_suite = rows
        broken = _broken_plugins(getattr(options, "loop", None), of_suite)
        for option, property_of in PROPERTIES.items():
            wanted = getattr(options, option)
            if wanted is None:
                continue
            known = list(dict.fromkeys(map(property_of, of_suite)))
            hint = "" if self.peers else "there are more with --peers"
            hint = "; ".join(filter(None, [hint, *broken]))
            names = chosen_names(option, wanted, known, hint=hint)
            rows = [row for row in rows if property_of(row) in names]
            if not rows:
                raise _matches_nothing(option, wanted, broken)
        rows = [row for row in rows if re.search(options.filter or "", row.row)]
        if not rows:
            raise _matches_nothing("filter", options.filter, broken)
        return rows

    def specification(self) -> dict[str, str]:
        paths = {listing.specification.resolve() for listing in self.listings.values()}
        if len(paths) != 1:
            raise UsageError(
                f"the binaries follow several specifications: {', '.join(map(str, paths))}"
            )
        path = paths.pop()
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from error
        return {"path": str(from_root(path)), "sha256": file_hash(path), "text": text}


def _matches_nothing(option: str, wanted: str, broken: Sequence[str]) -> UsageError:
    words = [f"--{option} {wanted} matches no row", *broken, "--list prints all of them"]
    return UsageError("; ".join(words))


def _broken_plugins(loops: str | None, rows: Iterable[Row]) -> list[str]:
    """What is wrong with each plug-in that nobody could ask for its loop's name: its rows have the
    file's, which is not what somebody looks for."""
    paths = [name for name in (loops or "").split(",") if "/" in name]
    words = dict.fromkeys(row.skip.removeprefix("not available: ") for row in rows)
    return [said for said in words if any(said.startswith(f"{path}: ") for path in paths)]


def make_head(
    options: argparse.Namespace, profile: Profile, rows: list[Row], suite: Suite
) -> dict[str, Any]:
    """What the samples of a run have in common; results/README.md describes the fields."""
    return {
        "started": utc_now().isoformat(timespec="seconds"),
        "profile": profile.name,
        "blocks": profile.blocks,
        "repeated_share": 0.0 if options.no_repeats else REPEATED_SHARE,
        "also": {"trace": profile.traced, "memory": profile.memory, "syscalls": profile.counted},
        "slow": [asdict(rule) for rule in profile.slow],
        "seed": secrets.randbelow(2**32) if options.seed is None else options.seed,
        "order": "blocks; cases, and backends within a case, each in a Williams design",
        **{name: recorded(getattr(options, option)) for option, name in CHOICES.items()},
        "machine": describe_machine(),
        "suite": describe_suite(),
        "binaries": suite.hashes(),
        "servers": suite.served.settings,
        "context": {
            name: portable(found.context) for name, found in suite.listings.items() if found.context
        },
        "specification": suite.specification(),
        "rows": [row.to_record() for row in rows],
    }


# Options that every sample of a run must share, by their names in the head record.
CHOICES = {
    "filter": "filter",
    "workload": "workload",
    "case": "case",
    "backend": "backend",
    "model": "model",
    "language": "language",
    "workloads": "workloads",
    "loop": "loop",
    "peers": "peers",
    "mpi": "mpi",
    "mpi_options": "mpi_options",
    "cores": "cores",
    "http": "http",
    "postgres": "postgres",
    "knee": "knee",
    "row_timeout": "row_timeout_s",
    "build": "build",
}
SHARED_OPTIONS = {"profile": "profile", "seed": "seed", **CHOICES}
# Files of the checkout are recorded by their paths from its root.
PATH_OPTIONS = ("workloads", "build")
CONTEXT_PATHS = ("specification", "executable")


def recorded(value: Any) -> Any:
    """An option as the head record keeps it."""
    return str(from_root(value)) if isinstance(value, Path) else value


def portable(context: dict[str, Any]) -> dict[str, Any]:
    """What a binary says of itself, with its paths as records name files."""
    paths = {name: recorded(Path(context[name])) for name in CONTEXT_PATHS if name in context}
    return context | paths


def adopt_options(options: argparse.Namespace, records: Records) -> None:
    """Options of a resumed run that were not given again are those of its head record; one that is
    given must not differ. Another build directory may, if its binaries are the same. Raises
    UsageError."""
    for option, name in SHARED_OPTIONS.items():
        given, then = recorded(getattr(options, option)), records.head.get(name)
        if given not in (None, then) and option != "build":
            raise UsageError(
                f"cannot resume {records.path}: --{option.replace('_', '-')} was "
                f"{then if then is not None else 'not given'}, now {given}"
            )
        if given is None:
            adopted = ROOT / then if then is not None and option in PATH_OPTIONS else then
            setattr(options, option, adopted)


def _changes(then: dict[str, str], now: dict[str, str], commit: str) -> list[str]:
    """What of binaries and peers is not what it was, in words."""
    changed = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    peers = [name for name in changed if name.startswith(OF_PEER)]
    words = []
    if len(peers) < len(changed):
        words.append(f"the binaries have changed (they were of commit {commit[:10] or 'unknown'})")
    for name in peers:
        what = "is gone" if name not in now else "is new" if name not in then else "has changed"
        words.append(f"the peer {name.removeprefix(OF_PEER)} {what}")
    return words


def check_same_suite(records: Records, suite: Suite) -> None:
    """Raises UsageError if samples taken now must not be mixed with those in the file."""
    then = records.head
    differences = []
    if then.get("specification", {}).get("sha256") != suite.specification()["sha256"]:
        differences.append("the specification has changed")
    differences += _changes(then.get("binaries", {}), suite.hashes(), then["suite"]["commit"])
    machine = describe_machine()
    for key in ("host", "kernel", "cores"):
        if then["machine"][key] != machine[key]:
            differences.append(f"the {key} was {then['machine'][key]}, now {machine[key]}")
    quotas = [each.get("cgroup_cpus", "none") for each in (then["machine"], machine)]
    if quotas[0] != quotas[1]:
        differences.append(f"the cgroup's CPU quota was {quotas[0]}, now {quotas[1]}")
    if differences:
        raise UsageError(f"cannot resume {records.path}: {'; '.join(differences)}")
