"""Names of benchmarks that other people chose: which part of one is the backend, and which the case."""

import re
from dataclasses import dataclass

from overlap.base.choices import pattern

NAMELESS = (
    "benchmark"  # The backend of a name that says none, and the case of one that says only it.
)
SEPARATORS = "/_:-"


@dataclass(frozen=True)
class BackendPart:
    """`asked` is a number, of one of the parts that slashes separate, from 1 on; or a regular expression:
    the backend is its first group or else all that it matches, and the case is the rest of the name.
    """

    asked: str

    def __post_init__(self) -> None:
        """Raises ValueError."""
        if self.asked.isdecimal():
            if not 1 <= len(self.asked) <= 4 or int(self.asked) == 0:
                raise ValueError(f"part {self.asked[:60]} of a name: expected a number from 1 on")
        elif not self.asked or pattern(self.asked).match("") is not None:
            raise ValueError(
                f"{self.asked[:60]!r}: expected the number of a part, or a regular expression that "
                "does not match nothing at all, such as '_(tbb|libfork)'"
            )

    def split(self, name: str) -> tuple[str, str] | None:
        """The case and the backend; None where the name has no such part."""
        if self.asked.isdecimal():
            parts = name.split("/")
            index = int(self.asked) - 1
            if index >= len(parts):
                return None
            backend, before, after = parts[index], parts[:index], parts[index + 1 :]
            return "/".join([*before, *after]) or NAMELESS, backend
        found = re.search(self.asked, name)
        backend = found and (found[1] if found.re.groups else found[0])
        if not found or not backend:
            return None
        before, after = name[: found.start()], name[found.end() :]
        if not after or after[0] in SEPARATORS:
            before = before.rstrip(SEPARATORS)
        return (before + after if before else after.lstrip(SEPARATORS)) or NAMELESS, backend


def usual_parts(name: str) -> tuple[str, str]:
    """The case and the backend of workload/case/backend, as ours are named; other names are cases of
    one nameless backend."""
    parts = name.split("/")
    if len(parts) == 3 and not parts[2].isdigit():
        return f"{parts[0]}/{parts[1]}", parts[2]
    return name, NAMELESS
