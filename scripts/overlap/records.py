"""Record files: JSON Lines, a head record first, then one record a sample, whole or not at all.

results/README.md describes the fields.
"""

import fcntl
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

FORMAT = 1  # Raised when a reader of the previous format would misread the fields.

Record = dict[str, Any]


class RecordError(Exception):
    """A record file that cannot be read or written; the text is one line that says why."""


@dataclass
class Records:
    """The content of a record file."""

    path: Path
    head: Record
    samples: list[Record] = field(default_factory=list)
    whole_bytes: int = 0  # Up to here the file is whole lines.
    cut_short: str = ""  # What was left out at the end, in words.

    def only(self, pattern: str) -> "Records":
        """The same records without the rows whose names do not match somewhere."""
        matches = re.compile(pattern).search
        rows = [row for row in self.head.get("rows", []) if matches(row["row"])]
        samples = [sample for sample in self.samples if matches(sample["row"])]
        return replace(self, head={**self.head, "rows": rows}, samples=samples)

    @property
    def context(self) -> Mapping[str, Any]:
        """What the binaries say of themselves: compiler, flags, versions of libraries."""
        return next(iter(self.head.get("context", {}).values()), {})


def _parse(line: bytes) -> Record:
    record = json.loads(line)
    if not isinstance(record, dict) or record.get("kind") not in ("head", "context", "sample"):
        raise ValueError("not a record of this suite")
    return record


def read_records(path: Path) -> Records:
    """Reads a file whose last record may be cut short (named in `cut_short`); any other damage is a
    RecordError, since tables must not be made from part of the samples in silence."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}") from error
    *lines, rest = content.split(b"\n")
    whole_bytes = len(content) - len(rest)
    parsed: list[Record] = []
    for number, line in enumerate(lines, start=1):
        try:
            parsed.append(_parse(line))
        except ValueError as error:
            raise RecordError(f"{path}, line {number}: not a record ({error})") from error
    cut_short = ""
    if rest:
        # A whole record may lack no more than its line end, e.g. after an editor has been at it.
        try:
            parsed.append(_parse(rest))
            whole_bytes = len(content)
        except ValueError:
            cut_short = f"its last record was cut short ({len(rest)} bytes)"
    if not parsed or parsed[0]["kind"] != "head":
        raise RecordError(
            f"{path}: no head record in its first line" + (cut_short and f"; {cut_short}")
        )
    head = parsed[0]
    if head.get("format") != FORMAT:
        raise RecordError(f"{path}: format {head.get('format')}, but this suite reads {FORMAT}")
    records = Records(path, head, whole_bytes=whole_bytes, cut_short=cut_short)
    for record in parsed[1:]:
        if record["kind"] == "context":
            head.setdefault("context", {}).setdefault(record["workload"], record["context"])
        elif record["kind"] == "sample":
            records.samples.append(record)
        else:
            raise RecordError(f"{path}: a second head record; two runs were written into one file")
    return records


class RecordWriter:
    """Appends records to a file that nobody else writes meanwhile. Each record is one write of one
    line to a descriptor in append mode, on the disk before the next sample is taken."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def create(cls, path: Path, head: Record) -> "RecordWriter":
        """Starts a new file with its head record; the file must not exist."""
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            writer = cls(path, _open_alone(path, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            raise RecordError(f"{path} exists: add --resume to go on with it") from None
        writer.append({"kind": "head", "format": FORMAT, **head})
        return writer

    @classmethod
    def resume(cls, records: Records) -> "RecordWriter":
        """Goes on with a file that was read; drops the record at its end that was cut short."""
        writer = cls(records.path, _open_alone(records.path, 0))
        os.ftruncate(writer._descriptor, records.whole_bytes)
        with open(records.path, "rb") as file:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                os.write(writer._descriptor, b"\n")
        return writer

    def append(self, record: Record) -> None:
        text = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        line = text.encode() + b"\n"
        written = os.write(self._descriptor, line)
        if written != len(line):
            raise RecordError(f"{self.path}: only {written} of {len(line)} bytes fit on the disk")
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


def _open_alone(path: Path, flags: int) -> int:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | flags, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise RecordError(f"{path}: another run is writing it") from None
    return descriptor
