"""What a sample is expected to cost, from the samples that earlier runs kept."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from overlap.base.exits import RecordError
from overlap.base.machine import ROOT
from overlap.records.files import content_of
from overlap.records.rows import Row

# Where there is no earlier sample, and the binary has no idea either.
UNKNOWN_S = 0.3
# What a process does beside a row's own expected time: start, warm up, end.
START_S = 0.05
FILES_READ = 4  # The newest of this machine's; older ones would only slow the start.
SAMPLE = re.compile(r'"kind":"sample","row":"([^"]+)".*?"duration_s":([0-9.]+)')


def record_files(results: Path = ROOT / "results") -> list[Path]:
    """The newest runs of this checkout, then the kept ones."""
    own = sorted((results / "local").glob("*.jsonl"), reverse=True)[:FILES_READ]
    kept = sorted(path for path in results.glob("*/*.jsonl*") if path.parent.name != "local")
    return own + kept


class Costs:
    """Durations of earlier samples by row; those of a file count only where no file before it has
    the row, so that this machine's own are preferred."""

    def __init__(self, files: Iterable[Path] = ()) -> None:
        self._known: dict[str, float] = {}
        for path in files:
            for row, durations in _durations(path).items():
                self._known.setdefault(row, median(durations))

    def knows(self, row: Row) -> bool:
        return row.measured_row in self._known

    def of(self, row: Row) -> float:
        """Seconds that a sample takes."""
        if self.knows(row):
            return self._known[row.measured_row]
        return row.expected_s + START_S if row.expected_s else UNKNOWN_S

    def apply(self, rows: Sequence[Row]) -> list[Row]:
        return [replace(row, expected_s=round(self.of(row), 4)) for row in rows]


def _durations(path: Path) -> dict[str, list[float]]:
    """Of the samples in a record file that went well; whatever else stands there is passed over,
    since an estimate is worth no error."""
    durations: dict[str, list[float]] = {}
    try:
        for line in content_of(path).decode(errors="replace").splitlines():
            found = SAMPLE.search(line)
            if found and '"error":' not in line:
                durations.setdefault(found[1], []).append(float(found[2]))
    except (RecordError, ValueError):
        pass
    return durations
