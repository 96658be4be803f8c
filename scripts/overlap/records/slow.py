"""Rows whose samples take long are measured in fewer blocks. Which ones these are is found out in
the first block, which has every row: no list of names has to be kept for that, and whoever reads the
records finds the same rows again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from overlap.base.units import seconds
from overlap.records.rows import Row

# A row that takes about as long as the reference of its case is one that a verdict is wanted on.
TIMES_THE_REFERENCE = 2.0


@dataclass(frozen=True)
class Slow:
    """A row of which a sample takes more than `sample_s` seconds, and more than twice as long as one
    of its case's reference, is measured in so many `blocks`."""

    sample_s: float
    blocks: int

    def holds(self, sample_s: float, reference_s: float | None) -> bool:
        """Of a row with such samples; None is a reference that is not known."""
        return sample_s > max(self.sample_s, TIMES_THE_REFERENCE * (reference_s or 0.0))


class SlowRows:
    """Rules applied to the rows of a run, of which `samples_s` says what a sample takes, as far as
    that is known. More may become known later."""

    def __init__(
        self,
        rules: Sequence[Slow],
        rows: Iterable[Row],
        samples_s: Mapping[str, float] | None = None,
    ) -> None:
        self._rules = rules
        self._references = {row.case_name: row.measured_row for row in rows if row.placebo_of}
        self._samples_s = dict(samples_s or {})

    def add(self, sample: Mapping[str, Any]) -> None:
        """Takes note of a sample's record, if it is one of those that decide."""
        if sample["block"] == 0 and "sample_s" in sample.get("counters", {}):
            self._samples_s[sample["row"]] = sample["counters"]["sample_s"]

    def applied(self, row: Row) -> Row:
        """The row, with its number of blocks and the reason if it is slow."""
        sample_s = self._samples_s.get(row.row)
        if sample_s is None:
            return row
        reference_s = self._samples_s.get(self._references.get(row.case_name, ""))
        found = [rule.blocks for rule in self._rules if rule.holds(sample_s, reference_s)]
        if not found or (row.blocks is not None and row.blocks <= min(found)):
            return row
        return replace(row, blocks=min(found), because=f"a sample takes {seconds(sample_s)}")


def rules_of(head: Mapping[str, Any]) -> list[Slow]:
    """Those of a run with that head record."""
    return [Slow(rule["sample_s"], rule["blocks"]) for rule in head.get("slow", [])]
