"""What a row is, and what the first word of its error means."""

from dataclasses import asdict, dataclass
from typing import Any

# How the words of a row's error begin when another try could only say the same again. `wrong` is
# among them because a result that is right at the second try is wrong still.
FINAL_ERRORS = (
    *("limit", "timeout", "not available", "would take", "left out", "wrong", "skipped"),
    "no workload",
)
FAILURES = ("crashed", "failed", "unreadable", "wrong")  # Errors that are no result of any kind.


@dataclass(frozen=True)
class Row:
    """A row that a binary can measure, as its --list_rows tells. `skip` says why it cannot be
    measured here; `expected_s` is a guess at how long a sample takes. A placebo is a backend once
    more under another name: `placebo_of` is the backend that it is in truth, else empty. A row that
    is measured in fewer blocks than others has their number in `blocks`, and `because` says why. A peer
    has a language, a model and a version; rows of the suite's own backends have none of them."""

    row: str
    workload: str
    case: str
    backend: str
    tasks: int
    unit: str
    expected_s: float
    skip: str
    placebo_of: str = ""
    blocks: int | None = None
    because: str = ""
    language: str = ""
    model: str = ""
    version: str = ""

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "Row":
        fields = cls.__dataclass_fields__
        return cls(**{name: record[name] for name in fields if name in record})

    def to_record(self) -> dict[str, Any]:
        optional = ("placebo_of", "blocks", "because", "language", "model", "version")
        return {name: v for name, v in asdict(self).items() if v or name not in optional}

    @property
    def case_name(self) -> str:
        """With its workload's: two workloads may have cases of the same name."""
        return f"{self.workload}/{self.case}"

    @property
    def measured_row(self) -> str:
        """What the binary calls the row."""
        return f"{self.case_name}/{self.placebo_of or self.backend}"


def names_of(row: Row) -> dict[str, object]:
    """What a record says of the row that it is about."""
    names: dict[str, object] = {
        name: getattr(row, name) for name in ("row", "workload", "case", "backend")
    }
    return names | ({"placebo_of": row.placebo_of} if row.placebo_of else {})


def is_final(error: str) -> bool:
    return error.startswith(FINAL_ERRORS)
