"""Which backends are best at a kind of work, by one metric: those that are in the best tier of every
one of its cases, by the verdicts of scripts/compare.

What runs nothing at once, the floors and one task after another, is there to be compared with and no
choice that anybody has: it is left out before anything is compared. Figures that are counted rather than
timed (memory) are had in few blocks: for them the range of at least three counts stands for the
interval, as it does for claims.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from overlap.judge.claims import COUNTED, LEAST_COUNTS
from overlap.judge.comparison import Case, Question, compare
from overlap.judge.metrics import METRICS, Metric, log_ratio
from overlap.judge.series import OF_SERVER, Series, Source, gate_name
from overlap.judge.verdicts import MARGIN
from overlap.records.models import FLOOR, SEQUENTIAL, model_of

COMPUTING, STARTING = "computing", "starting tasks"
WAITING, TALKING, RESPONSIVE = "waiting", "talking", "staying responsive"
# What the tasks of a workload do; another workload is called by its name.
KINDS = {
    "sleeps": WAITING,
    "echo": TALKING,
    "heartbeat": RESPONSIVE,
    "mix": "waiting and computing in turn",
    "cancel": "cancelling",
    "channel": "passing elements on",
    "ping_pong": "waking each other",
    "serve": "serving beside work",
    "fetch": "fetching",
    "files": "reading",
    "query": "querying",
}
FIGURES = ("wall", "cpu", "memory")
NO_CHOICE = (FLOOR, SEQUENTIAL)
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Best:
    """By one metric: in how many of the `cases` with tiers each backend was in the best one, and the
    words of those that have none. `of` are all backends that were compared in any of them."""

    metric: Metric
    cases: int
    counts: Mapping[str, int]
    of: Sequence[str]
    words: Sequence[str] = ()

    @property
    def everywhere(self) -> list[str]:
        return [name for name, count in self.counts.items() if count == self.cases]

    @property
    def most(self) -> list[str]:
        """Those that are in the best tier most often."""
        top = max(self.counts.values(), default=0)
        return [name for name, count in self.counts.items() if count == top]


@dataclass
class Kind:
    """A kind of work, its cases, and who is best at it."""

    name: str
    cases: list[str]
    best: list[Best] = field(default_factory=list)


def kind_of(case: str, parameters: Mapping[str, object] | None) -> str:
    workload = case.partition("/")[0]
    if workload == "gather":
        # Without its parameters a case of unknown origin: most of them compute.
        return COMPUTING if parameters is None or parameters.get("work") else STARTING
    return KINDS.get(workload, workload)


def figures_of(kind: str) -> tuple[str, ...]:
    """What a kind of work is judged by. Whether a program stays responsive is told by its longest gap,
    and not by when the heart has had its beats."""
    return ("gap", *FIGURES[1:]) if kind == RESPONSIVE else FIGURES


def kinds(source: Source) -> list[Kind]:
    """In the order of the cases, of which those count that were measured."""
    choices = [s for s in source.series if model_of(s.row) not in NO_CHOICE]
    source = replace(source, series=choices)
    found: dict[str, Kind] = {}
    for case in dict.fromkeys(s.case for s in choices if s.by_block and not s.placebo_of):
        name = kind_of(case, source.cases.get(case))
        found.setdefault(name, Kind(name, [])).cases.append(case)
    compared: dict[str, dict[str, Case]] = {}
    for kind in found.values():
        for name in figures_of(kind.name):
            if name not in compared:
                question = Question(METRICS[name])
                cases = compare([source.seen_by(question.metric)], question).cases
                compared[name] = {case.name: case for case in cases}
            kind.best.append(_best([compared[name][c] for c in kind.cases], METRICS[name]))
    return list(found.values())


def _best(cases: Sequence[Case], metric: Metric) -> Best:
    tiers = [_best_tier(case, metric) for case in cases]
    words = [tier for tier in tiers if isinstance(tier, str)]
    known = [tier for tier in tiers if not isinstance(tier, str)]
    counts: dict[str, int] = {}
    for name in (name for tier in known for name in tier):
        counts[name] = counts.get(name, 0) + 1
    of = dict.fromkeys(
        cell.series.backend for case in cases for cell in case.cells if cell.series.values
    )
    return Best(metric, len(known), counts, list(of), words)


def _best_tier(case: Case, metric: Metric) -> list[str] | str:
    """The backends, or why there is no such tier."""
    ran = [cell.series for cell in case.cells if cell.series.by_block]
    measured = [series for series in ran if series.values]
    for series in ran:
        # Whoever leaves the load generator no time may well be the best; a server that did not do
        # what was asked of it is not.
        gate = gate_name(series.gate)
        if gate and gate not in OF_SERVER and series.words.startswith(gate):
            return gate
    if len(measured) < 2 or len(measured) < len(ran) / 2:
        return NOT_MEASURED  # The memory of few tasks drowns in that of the program.
    if case.noise.unstable:
        return "machine unstable"
    if metric.name in COUNTED:
        return _least(measured)
    return [cell.series.backend for cell in case.cells if cell.tier == 1] or "too few blocks"


def _least(measured: Sequence[Series]) -> list[str] | str:
    """Those whose counts are not all above those of another one, by more than matters."""
    if min(len(series.values) for series in measured) < LEAST_COUNTS:
        return f"fewer than {LEAST_COUNTS} counts"
    least = min(max(series.values.values()) for series in measured)
    return [s.backend for s in measured if log_ratio(min(s.values.values()), least) <= MARGIN]
