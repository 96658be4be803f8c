"""The answer in a few sentences: one for each kind of work, with the backends that are best at it by
time, by CPU and by memory. The page and the terminal say the same."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from overlap.judge.best import NOT_MEASURED, Best, Kind, kinds
from overlap.judge.comparison import Question, compare
from overlap.judge.metrics import METRICS
from overlap.judge.series import Source
from overlap.judge.verdicts import MARGIN, Verdict
from overlap.records.models import OWN
from overlap.show.verdict_page import percent

BY = {"wall": "by time", "cpu": "by CPU time", "memory": "by memory", "gap": "by longest gap"}
# What a backend of the suite is called in a sentence; those that have a loop say it themselves.
WORDS = {
    "thread_pool": "a thread pool",
    "thread_per_task": "a thread per task",
    "process_pool": "a process pool",
    "process_per_task": "a process per task",
}
MOST_NAMES = 8
HOW = (
    f"Best is who is not shown to need over {percent(MARGIN)} more than the best in any case of its kind. "
    "Floors and one task after another are there to be compared with, and left out here."
)


@dataclass(frozen=True)
class Part:
    """By some metrics: `who` is best, with the number of cases where it is not all of them; `known` says
    whether anything can be told."""

    by: str
    who: str
    known: bool


@dataclass(frozen=True)
class Answer:
    work: str
    cases: Sequence[str]
    parts: Sequence[Part]

    @property
    def title(self) -> str:
        return self.work[:1].upper() + self.work[1:]

    def sentence(self) -> str:
        """Plain text without a line end."""
        told = "; ".join(f"{part.by} {part.who}" for part in self.parts)
        return f"{self.title}: {told}."


def answers(source: Source) -> list[Answer]:
    """Nothing of what has no blocks: without a verdict there is no answer."""
    if source.records is None:
        return []
    return [Answer(kind.name, kind.cases, list(_parts(kind))) for kind in kinds(source)]


def unstable_cases(source: Source) -> list[str]:
    """Cases whose verdicts on wall time are withheld, since equal things came out different."""
    found = compare([source.seen_by(METRICS["wall"])], Question(METRICS["wall"]))
    return [
        case.name
        for case in found.cases
        if any(cell.verdict is Verdict.WITHHELD for cell in case.cells)
    ]


def _parts(kind: Kind) -> Iterator[Part]:
    """Metrics by which the same are best are one part."""
    parts: list[Part] = []
    for best in kind.best:
        by = BY[best.metric.name]
        who = _who(best, len(kind.cases))
        if parts and parts[-1].who == who:
            by = f"{parts.pop().by.replace(' and', ',')} and {by}"
        parts.append(Part(by, who, best.cases > 0))
    yield from parts


def _who(best: Best, cases: int) -> str:
    words = [word for word in best.words if word != NOT_MEASURED] or list(best.words)
    why = max(words, key=words.count) if words else ""
    if not best.cases:
        return why if why == NOT_MEASURED else f"unknown ({why})"
    if best.everywhere:
        who, where = named(best), ""
    else:
        who = listed(called(best.most, best.of))
        where = f"in {max(best.counts.values())} of {best.cases} cases"
    if why not in ("", NOT_MEASURED):
        rest = f"{why} in {cases - best.cases} of {cases} cases"
        where = f"{where}; {rest}" if where else rest
    return f"{who} ({where})" if where else who


def named(best: Best) -> str:
    """Who is best everywhere, said by those who are not where these are fewer."""
    members, others = best.everywhere, [name for name in best.of if name not in best.everywhere]
    if not others:
        return "no difference"
    if len(members) > MOST_NAMES and len(others) < len(members):
        return f"all but {listed(called(others, best.of))}"
    return listed(called(members, best.of))


def called(members: Sequence[str], of: Sequence[str]) -> list[str]:
    """Backends in words; a runtime on all loops that it was measured on is one name."""
    names = []
    for runtime in dict.fromkeys(name.partition(":")[0] for name in members):
        mine = [name for name in members if name.partition(":")[0] == runtime]
        every = [name for name in of if name.partition(":")[0] == runtime]
        loops = [name.partition(":")[2] for name in mine if ":" in name]
        if not loops:
            names.append(WORDS.get(runtime, runtime))
        elif len(every) == len(mine) > 1:
            names.append(f"{_plural(runtime)} on any loop")
        else:
            names.append(f"{_plural(runtime)} on {listed(loops, 'or')}")
    return names


def _plural(runtime: str) -> str:
    own = any(runtime.startswith(prefix.rstrip(":_")) for prefix in OWN)
    return f"{runtime.replace('_', ' ')}s" if own else runtime


def listed(names: Sequence[str], word: str = "and") -> str:
    shown = list(names)
    if len(shown) > MOST_NAMES:
        shown = [*shown[: MOST_NAMES - 1], f"{len(shown) - MOST_NAMES + 1} more"]
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} {word} {shown[-1]}"
