"""Record files: JSON Lines, a head record first, then one record a sample, whole or not at all.

results/README.md describes the fields.
"""

import fcntl
import gzip
import json
import os
import re
import sys
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from overlap.base.exits import RecordError
from overlap.records.checks import (
    brief,
    fault_of_context,
    fault_of_count,
    fault_of_sample,
    harmless,
    mend_head,
    one_line,
    parsed,
)

FORMAT = 1  # Raised when a reader of the previous format would misread the fields.

Record = dict[str, Any]


RESTORE = "restore the line, or delete it and measure again with --resume"


@dataclass
class Records:
    """The content of a record file, as far as it is sound. `problems` are lines that say what is
    not: where, what was found, what was expected, what to do."""

    path: Path
    head: Record
    samples: list[Record] = field(default_factory=list)
    counts: list[Record] = field(default_factory=list)  # The last of a row is the one that counts.
    whole_bytes: int = 0  # Up to here the file is whole lines.
    cut_short: str = ""  # What was left out at the end, in words.
    problems: list[str] = field(default_factory=list)
    holds_another_run: bool = False  # What follows a second head record was not read.

    def only(self, pattern: str) -> "Records":
        """The same records without the rows whose names do not match somewhere."""
        matches = re.compile(pattern).search
        rows = [row for row in self.head.get("rows", []) if matches(row["row"])]
        samples = [sample for sample in self.samples if matches(sample["row"])]
        counts = [count for count in self.counts if matches(count["row"])]
        return replace(self, head={**self.head, "rows": rows}, samples=samples, counts=counts)

    @property
    def context(self) -> Mapping[str, Any]:
        """What the binaries say of themselves: compiler, flags, versions of libraries."""
        return next(iter(self.head.get("context", {}).values()), {})


GZIP_MAGIC = b"\x1f\x8b"
STANDARD_INPUT = Path("-")


def content_of(path: Path) -> bytes:
    """All that a file or a pipe holds, read once, through gzip where it was compressed; `-` is standard
    input. Raises RecordError."""
    if path == STANDARD_INPUT and sys.stdin.isatty():
        raise RecordError("-: standard input is a terminal, expected a pipe or a file")
    try:
        content = sys.stdin.buffer.read() if path == STANDARD_INPUT else path.read_bytes()
        return gzip.decompress(content) if content.startswith(GZIP_MAGIC) else content
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise RecordError(f"{path}: cannot be decompressed: {error}") from error
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}") from error


def name_of(path: Path) -> str:
    """What a record file is called: without what says of which kind it is, and how it is kept."""
    return path.name.removesuffix(".gz").removesuffix(".jsonl").removesuffix(".json")


def read_records(path: Path, content: bytes | None = None) -> Records:
    """Reads all that is sound in a file, whose content may be there already, and names the rest.
    RecordError if nothing can be read."""
    return _Reader(path).read(content_of(path) if content is None else content)


def _parse(line: bytes) -> Record:
    """Raises ValueError unless the line is a record of this suite."""
    try:
        record = parsed(line)
        if b"\\ud" in line.lower():  # Half a character cannot be printed again.
            json.dumps(record, ensure_ascii=False).encode()
        if b"\\" in line or not line.isascii():
            record = harmless(record)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON that can be read ({error})") from error
    if not isinstance(record, dict):
        raise ValueError(f"{brief(record)}, which is no object")
    if record.get("kind") not in ("head", "context", "sample", "count"):
        raise ValueError(f"a record of kind {brief(record.get('kind'))}")
    return record


class _Reader:
    """Goes through the lines of one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._records = Records(path, {})
        self._rows: set[str] = set()
        self._line_of: dict[tuple[str, int, int], tuple[int, bytes]] = {}
        self._measured: dict[tuple[str, int], int] = {}  # To the line.

    def read(self, content: bytes) -> Records:
        records = self._records
        *lines, rest = content.split(b"\n")
        records.whole_bytes = len(content) - len(rest)
        for number, line in enumerate(lines, start=1):
            if line.strip():
                self._take(number, line)
        if rest.strip():
            self._take_last(len(lines) + 1, rest, len(content))
        if not records.head:
            why = f"; {'; '.join(records.problems)}" if records.problems else ""
            cut = f"; {records.cut_short}" if records.cut_short else ""
            raise RecordError(
                f"{self._path}:1: no head record, expected in the first line: without it nothing "
                f"else can be understood; restore it, or measure again{cut}{why}"
            )
        return records

    def _take_last(self, number: int, rest: bytes, size: int) -> None:
        """A whole record may lack no more than its line end, e.g. after an editor has been at it."""
        try:
            _parse(rest)
        except ValueError:
            self._records.cut_short = f"its last record was cut short ({len(rest)} bytes)"
            return
        self._records.whole_bytes = size
        self._take(number, rest)

    def _problem(self, number: int, words: str, advice: str) -> None:
        self._records.problems.append(f"{self._path}:{number}: {one_line(words)}; {advice}")

    def _take(self, number: int, line: bytes) -> None:
        if self._records.holds_another_run:
            return
        try:
            record = _parse(line)
        except ValueError as error:
            self._problem(number, f"found {error}, expected a record: left out", RESTORE)
            return
        if record["kind"] == "head":
            self._take_head(number, record)
        elif not self._records.head:
            self._problem(number, "found before the head record: left out", "move it below")
        elif record["kind"] == "context":
            self._take_context(number, record)
        elif record["kind"] == "count":
            self._take_count(number, record)
        else:
            self._take_sample(number, record, line.strip())

    def _take_head(self, number: int, head: Record) -> None:
        if self._records.head:
            self._take_second_head(number, head)
            return
        if head.get("format") != FORMAT:
            raise RecordError(
                f"{self._path}:{number}: found format {brief(head.get('format'))}, expected "
                f"{FORMAT}; read it with the version of the suite that wrote it"
            )
        if not isinstance(head.get("rows"), list):
            raise RecordError(
                f"{self._path}:{number}: rows: found {brief(head.get('rows'))}, expected a list: "
                "without it no sample can be understood; restore the line"
            )
        self._first_head = json.dumps(head, sort_keys=True)
        for fault in mend_head(head):
            self._problem(number, f"head record: {fault}", "restore the line")
        self._records.head = head
        self._rows = {row["row"] for row in head["rows"]}

    def _take_second_head(self, number: int, head: Record) -> None:
        if json.dumps(head, sort_keys=True) == self._first_head:
            self._problem(
                number, "found the head record again, expected it once", "delete the line"
            )
            return
        self._records.holds_another_run = True
        self._problem(
            number,
            f"found a second head record, of the run of {brief(head.get('started'))}, expected one "
            "run a file: not read from here on",
            f"make a file of it with `tail -n +{number}`",
        )

    def _take_context(self, number: int, record: Record) -> None:
        if fault := fault_of_context(record):
            self._problem(number, f"context record: {fault}: left out", RESTORE)
            return
        contexts = self._records.head.setdefault("context", {})
        contexts.setdefault(record["workload"], record["context"])

    def _take_count(self, number: int, count: Record) -> None:
        fault = fault_of_count(count) or self._fault_of_row(count)
        if fault:
            self._problem(number, f"count record: {fault}: left out", RESTORE)
            return
        self._records.counts.append(count)

    def _fault_of_row(self, record: Record) -> str:
        if record["row"] in self._rows:
            return ""
        return f"row: found {brief(record['row'])}, expected one that the head record lists"

    def _take_sample(self, number: int, sample: Record, line: bytes) -> None:
        fault = fault_of_sample(sample) or self._fault_of_row(sample)
        if fault:
            self._problem(number, f"sample record: {fault}: left out", RESTORE)
            return
        place = (sample["row"], sample["block"])
        key = (*place, sample.get("attempt", 0))
        earlier, there = self._line_of.get(key, (self._measured.get(place, 0), b""))
        if earlier:
            how = "the same record as" if there == line else "another sample of the place that"
            of = f"{brief(sample['row'])}, block {sample['block']}"
            words = f"found {how} line {earlier} ({of}), expected one: the first counts"
            self._problem(number, words, "delete one of them")
            return
        self._line_of[key] = (number, line)
        if "counters" in sample:
            self._measured[place] = number
            counters = sample["counters"]
            sample["counters"] = {name: v for name, v in counters.items() if v is not None}
        self._records.samples.append(sample)


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
        """Goes on with a file that was read; drops the record at its end that was cut short. Raises
        RecordError for one that is packed: nothing can be appended to it."""
        with open(records.path, "rb") as file:
            if file.read(len(GZIP_MAGIC)) == GZIP_MAGIC:
                raise RecordError(f"{records.path}: is packed: gunzip it first to go on with it")
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
