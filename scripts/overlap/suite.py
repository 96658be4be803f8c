"""The benchmark binaries of one build, and the head record of a run with them."""

import argparse
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overlap.machine import ROOT, describe_machine, describe_suite, file_hash
from overlap.records import Records
from overlap.sampling import Listing, Row, UsageError, list_rows, utc_now

WORKLOADS = ("sleeps", "gather", "echo")
BLOCKS_OF_PROFILE = {"smoke": 1, "quick": 3}


@dataclass
class Suite:
    """One binary a workload, and what each can measure with the options of this run."""

    directory: Path
    listings: dict[str, Listing]

    @classmethod
    def open(cls, directory: Path, arguments: list[str]) -> "Suite":
        suite = cls(directory.resolve(), {})
        for workload in WORKLOADS:
            suite.listings[workload] = list_rows(suite.binary(workload), arguments)
        return suite

    def binary(self, workload: str) -> Path:
        return self.directory / "bench" / f"bench_{workload}"

    def chosen_rows(self, expression: str) -> list[Row]:
        try:
            wanted = re.compile(expression)
        except re.error as error:
            raise UsageError(
                f"--filter {expression!r} is no regular expression: {error}"
            ) from error
        rows = [row for listing in self.listings.values() for row in listing.rows]
        chosen = [row for row in rows if wanted.search(row.row)]
        if not chosen:
            raise UsageError(f"--filter {expression!r} matches no row; --list prints all of them")
        return chosen

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
        shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        return {"path": str(shown), "sha256": file_hash(path), "text": text}


def make_head(options: argparse.Namespace, suite: Suite) -> dict[str, Any]:
    """What the samples of a run have in common; results/README.md describes the fields."""
    return {
        "started": utc_now().isoformat(timespec="seconds"),
        "profile": options.profile,
        "blocks": options.blocks or BLOCKS_OF_PROFILE[options.profile],
        "seed": secrets.randbelow(2**32) if options.seed is None else options.seed,
        "order": "blocks; cases, and backends within a case, each in a Williams design",
        "filter": options.filter,
        "workloads": options.workloads,
        "loop": options.loop,
        "row_timeout_s": options.row_timeout,
        "machine": describe_machine(),
        "suite": describe_suite(),
        "binaries": {name: file_hash(suite.binary(name)) for name in suite.listings},
        "context": {name: found.context for name, found in suite.listings.items() if found.context},
        "specification": suite.specification(),
        "rows": [row.to_record() for row in suite.chosen_rows(options.filter)],
    }


# Options that every sample of a run must share, by their names in the head record.
SHARED_OPTIONS = {
    "profile": "profile",
    "filter": "filter",
    "workloads": "workloads",
    "loop": "loop",
    "row_timeout": "row_timeout_s",
    "seed": "seed",
}


def adopt_options(options: argparse.Namespace, records: Records) -> None:
    """Options of a resumed run that were not given again are those of its head record; one that is
    given must not differ. Raises UsageError if it does."""
    for option, name in SHARED_OPTIONS.items():
        given, then = getattr(options, option), records.head[name]
        if given not in (None, then):
            raise UsageError(
                f"cannot resume {records.path}: --{option.replace('_', '-')} was "
                f"{then if then is not None else 'not given'}, now {given}"
            )
        setattr(options, option, then)


def check_same_suite(records: Records, suite: Suite) -> None:
    """Raises UsageError if samples taken now must not be mixed with those in the file."""
    then = records.head
    differences = []
    if then["specification"]["sha256"] != suite.specification()["sha256"]:
        differences.append("the specification has changed")
    if then["binaries"] != {name: file_hash(suite.binary(name)) for name in suite.listings}:
        commit = then["suite"]["commit"][:10] or "unknown"
        differences.append(f"the binaries have changed (they were of commit {commit})")
    machine = describe_machine()
    for key in ("host", "kernel", "cores"):
        if then["machine"][key] != machine[key]:
            differences.append(f"the {key} was {then['machine'][key]}, now {machine[key]}")
    if differences:
        raise UsageError(f"cannot resume {records.path}: {'; '.join(differences)}")
