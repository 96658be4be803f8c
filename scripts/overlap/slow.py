"""Rows whose samples take long are measured in fewer blocks. Which ones these are is found out in
the first block, which has every row: no list of names has to be kept for that, and whoever reads the
records finds the same rows again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from overlap.sampling import Row
from overlap.units import seconds

# A row that takes about as long as the reference of its case is one that a verdict is wanted on.
TIMES_THE_REFERENCE = 2.0


@dataclass(frozen=True)
class Slow:
    """Which rows are slow, those of which a sample takes more than `sample_s` seconds and more than
    twice as long as one of its case's reference, and in how many `blocks` they are measured."""

    sample_s: float
    blocks: int

    @classmethod
    def of(cls, head: Mapping[str, Any]) -> "Slow | None":
        """The rule of a run with that head record, if it has one."""
        rule = head.get("slow")
        return cls(rule["sample_s"], rule["blocks"]) if rule else None

    def holds(self, sample_s: float | None, reference_s: float | None) -> bool:
        """Of a row with such samples; None is one that is not known."""
        least_s = max(self.sample_s, TIMES_THE_REFERENCE * (reference_s or 0.0))
        return sample_s is not None and sample_s > least_s

    def applied(self, rows: Sequence[Row], samples_s: Mapping[str, float]) -> list[Row]:
        """The rows, those that are slow with their blocks and the reason. `samples_s` says by their
        names what a sample takes."""
        references = references_of(rows)

        def one(row: Row) -> Row:
            sample_s = samples_s.get(row.row)
            reference_s = samples_s.get(references.get(row.case_name, ""))
            if row.blocks is not None or not self.holds(sample_s, reference_s):
                return row
            because = f"a sample takes {seconds(sample_s)}"
            return replace(row, blocks=self.blocks, because=because)

        return [one(row) for row in rows]


def references_of(rows: Iterable[Row]) -> dict[str, str]:
    """By case, the name of the row that its placebo repeats."""
    return {row.case_name: row.measured_row for row in rows if row.placebo_of}


def sample_of_first_block(sample: Mapping[str, Any]) -> float | None:
    """What a sample took, if it is one of those that decide."""
    if sample["block"] != 0 or "error" in sample:
        return None
    return sample["counters"].get("sample_s")


def samples_of_first_block(samples: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """By row."""
    found = ((sample["row"], sample_of_first_block(sample)) for sample in samples)
    return {row: sample_s for row, sample_s in found if sample_s is not None}
