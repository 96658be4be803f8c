"""Compares series with their baselines and says what may be said of it, case by case."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from overlap.judge.metrics import Metric, log_ratio
from overlap.judge.series import Choice, Series, Source
from overlap.judge.statistics import (
    ALPHA,
    Estimates,
    Floats,
    bootstrapped,
    least_blocks,
    least_p,
    paired,
    unpaired,
)
from overlap.judge.verdicts import Noise, Verdict, judge, more_blocks, noise_of, tiers

RUN_PLACES = ("file", "commit", "machine", "profile")
BACKEND_PLACES = ("backend", "runtime", "loop")
CASE_PLACES = ("workload", "case")
PLACES = (*RUN_PLACES, *CASE_PLACES, *BACKEND_PLACES)
FLOORS = ("floor", "floor:uring", "floor:epoll")


class How(Enum):
    """What links the two sides of a comparison."""

    PAIRED = "paired within blocks"
    THROUGH_REFERENCE = "unpaired, through the reference of each run"
    UNPAIRED = "unpaired"


@dataclass
class Pair:
    """A comparison to be made. `references` are the reference backends in the runs of the subject
    and of the baseline."""

    subject: Series
    baseline: Series
    how: How = How.PAIRED
    references: tuple[Series, Series] | None = None


@dataclass
class Cell:
    """What is known of one series. A series without `verdict` was not judged; `words` say why, and
    are empty for the baseline itself. Estimates are logarithms."""

    series: Series
    baseline: Series | None = None
    how: How = How.PAIRED
    words: str = ""
    n: int = 0
    exact: bool = True
    centre: float = 0.0
    low: float = 0.0
    high: float = 0.0
    inner: tuple[float, float] = (0.0, 0.0)
    p: float = 1.0
    verdict: Verdict | None = None
    more_blocks: int | None = None
    depends_on_dirty: bool = False
    fails: bool = False  # The condition of --fail-if.
    tier: int | None = None


@dataclass
class Case:
    """All that is said of one case: its cells are one table, and Holm's correction is over them."""

    name: str
    cells: list[Cell] = field(default_factory=list)
    noise: Noise = field(default_factory=Noise)
    placebos: int = 0
    reference: str = ""

    @property
    def judged(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.verdict is not None]


@dataclass(frozen=True)
class Question:
    """What is compared: along `place`, with `baseline` there (empty: each case's reference, or the
    first file). Only rows that `pattern` matches are judged; baselines and placebos may be others.
    `fail` is a verdict and by how much at least (a logarithm)."""

    metric: Metric
    place: str = "backend"
    baseline: str = ""
    reference: str = ""
    pattern: str = ""
    fail: tuple[Verdict, float] | None = None


@dataclass
class Comparison:
    question: Question
    sources: list[Source]
    cases: list[Case]

    @property
    def judged(self) -> list[Cell]:
        return [cell for case in self.cases for cell in case.judged]


def reference_of(series: Sequence[Series], wanted: str = "") -> str:
    """The backend that a case's placebo repeats; without one the floor, or else the first backend
    that was measured."""
    if wanted:
        return wanted
    measured = list(dict.fromkeys(s.backend for s in series if s.values and not s.placebo_of))
    placebos = [s.placebo_of for s in series if s.placebo_of in measured]
    return next(iter([*placebos, *(name for name in FLOORS if name in measured), *measured]), "")


# Observations.


def within_blocks(subject: Series, baseline: Series, choice: Choice) -> list[float]:
    """Logarithms of the ratios within the blocks that have both."""
    ours, theirs = subject.chosen(choice), baseline.chosen(choice)
    return [log_ratio(ours[block], theirs[block]) for block in sorted(ours.keys() & theirs.keys())]


def _alone(series: Series, choice: Choice) -> list[float]:
    return [log_ratio(value, 1.0) for _, value in sorted(series.chosen(choice).items())]


def _matrix(rows: Iterable[list[float]]) -> Floats:
    rows = list(rows)
    matrix = np.full((len(rows), max(map(len, rows), default=0)), np.nan)
    for i, row in enumerate(rows):
        matrix[i, : len(row)] = row
    return matrix


def _two_sides(pair: Pair, choice: Choice) -> tuple[list[float], list[float]]:
    if pair.references:
        reference, other = pair.references
        return within_blocks(pair.baseline, other, choice), within_blocks(
            pair.subject, reference, choice
        )
    return _alone(pair.baseline, choice), _alone(pair.subject, choice)


def estimate(pairs: Sequence[Pair], metric: Metric, choice: Choice, seed: int) -> Estimates:
    """All comparisons at once, by the method that each of them allows."""
    result = Estimates.none(len(pairs))
    within = np.array([i for i, p in enumerate(pairs) if p.how is How.PAIRED], dtype=np.int64)
    between = np.array([i for i, p in enumerate(pairs) if p.how is not How.PAIRED], dtype=np.int64)
    if len(within):
        ratios = _matrix(within_blocks(pairs[i].subject, pairs[i].baseline, choice) for i in within)
        result.put(within, paired(ratios) if metric.ranked else bootstrapped(ratios, seed))
    if len(between):
        sides = [_two_sides(pairs[i], choice) for i in between]
        first, second = (_matrix(side[k] for side in sides) for k in (0, 1))
        result.put(between, unpaired(first, second))
    return result


# Who is compared with whom.


def _index(sources: Sequence[Source]) -> dict[tuple[str, str, int], Series]:
    return {(s.case, s.backend, i): s for i, source in enumerate(sources) for s in source.series}


class Matcher:
    """Finds the baseline of a series."""

    def __init__(self, sources: Sequence[Source], question: Question) -> None:
        self._sources = sources
        self._question = question
        self._index = _index(sources)
        self._references: dict[str, str] = {}

    def reference(self, case: str) -> str:
        """The same for all files, since a comparison between two runs goes through it."""
        if case not in self._references:
            of_case = [[s for s in x.series if s.case == case] for x in self._sources]
            common = set.intersection(
                *({s.backend for s in series if s.values} for series in of_case if series)
            )
            every = [s for series in of_case for s in series]
            candidates = [s for s in every if s.backend in common or s.placebo_of in common]
            self._references[case] = reference_of(candidates or every, self._question.reference)
        return self._references[case]

    def pair(self, series: Series, source: int) -> Pair | str:
        """The comparison to make, or the words that say why there is none."""
        place = self._question.place
        if place in RUN_PLACES:
            return self._between_runs(series, source)
        baseline = self._question.baseline or self.reference(series.case)
        wanted = {**series.places, place: baseline}
        if place == "backend":
            backend = baseline
        else:
            backend = ":".join(filter(None, (wanted["runtime"], wanted["loop"])))
            if not series.places[place]:
                return f"has no {place}"
        found = self._index.get((series.case, backend, source))
        if found is None:
            return f"nothing to compare with: no {backend}"
        if not found.values:
            return f"nothing to compare with: {found.backend}: {found.words}"
        how = How.PAIRED if self._sources[source].paired else How.UNPAIRED
        return Pair(series, found, how)

    def _baseline_run(self, source: int) -> int:
        """Of the runs at the baseline's place the one most like this one in its other places."""
        place, wanted = self._question.place, self._question.baseline
        own = self._sources[source].places
        at = [i for i, s in enumerate(self._sources) if not wanted or s.places[place] == wanted]
        first = self._sources[at[0]].places[place]
        at = [i for i in at if self._sources[i].places[place] == first]
        others = [name for name in RUN_PLACES if name not in (place, "file")]

        def likeness(i: int) -> int:
            return sum(self._sources[i].places[name] == own[name] for name in others)

        return source if source in at else max(at, key=likeness)

    def _between_runs(self, series: Series, source: int) -> Pair | str:
        base = self._baseline_run(source)
        found = self._index.get((series.case, series.backend, base))
        here, there = self._sources[source], self._sources[base]
        if found is None or not found.values:
            return f"nothing to compare with in {there.path.name}"
        if found is series:
            return Pair(series, series)
        parameters = [run.cases.get(series.case) for run in (here, there)]
        if None not in parameters and parameters[0] != parameters[1]:
            return "another case: its parameters differ between the files"
        if not (here.paired and there.paired):
            return Pair(series, found, How.UNPAIRED)
        name = self.reference(series.case)
        ours, theirs = (self._index.get((series.case, name, i)) for i in (source, base))
        if not (ours and ours.values and theirs and theirs.values):
            return f"no common reference: {name or 'none'} was not measured in both files"
        if series is ours:
            return "the reference: other runs are compared through it"
        return Pair(series, found, How.THROUGH_REFERENCE, (ours, theirs))


# Judging.


@dataclass
class _Judged:
    noise: Noise
    estimates: Estimates
    verdicts: list[Verdict]


def _judge(
    pairs: Sequence[Pair], placebos: Sequence[Pair], question: Question, choice: Choice, seed: int
) -> _Judged:
    # The estimates of the placebos come along: they are made in the same way.
    every = estimate([*pairs, *placebos], question.metric, choice, seed)
    found, of_placebos = every[: len(pairs)], every[len(pairs) :]
    noises = [noise_of(of_placebos[[i]], len(pairs)) for i in range(len(placebos))]
    noise = combined(noises)
    return _Judged(noise, found, judge(found, noise))


def combined(noises: Sequence[Noise]) -> Noise:
    """The worst of what several placebos of a case say; unknown if one of them cannot tell."""

    def worst(values: list[float | None]) -> float | None:
        return None if not values or None in values else max(v for v in values if v is not None)

    return Noise(
        worst([noise.floor for noise in noises]),
        worst([noise.visible for noise in noises]),
        any(noise.unstable for noise in noises),
    )


def _placebo_pairs(
    sources: Sequence[Source], case: str, matcher: Matcher, place: str
) -> Iterator[Pair]:
    """Every placebo beside what it repeats; between runs also beside the other run's placebo, as
    every backend is."""
    for i, source in enumerate(sources):
        for series in source.series:
            if series.case != case or not series.placebo_of or not series.values:
                continue
            repeated = (s for s in source.series if s.case == case and s.values)
            original = next((s for s in repeated if s.backend == series.placebo_of), None)
            if original and source.paired:
                yield Pair(series, original)
            between = matcher.pair(series, i) if place in RUN_PLACES else ""
            if isinstance(between, Pair) and between.baseline is not series:
                yield between


def compare(sources: Sequence[Source], question: Question) -> Comparison:
    matcher = Matcher(sources, question)
    series = [s for source in sources for s in source.series if not s.placebo_of]
    names = dict.fromkeys(s.case for s in series if re.search(question.pattern, s.name))
    cases = [_compare_case(name, sources, question, matcher) for name in names]
    return Comparison(question, list(sources), cases)


def _compare_case(
    name: str, sources: Sequence[Source], question: Question, matcher: Matcher
) -> Case:
    case = Case(name, reference=matcher.reference(name))
    pairs: list[tuple[Cell, Pair]] = []
    for i, source in enumerate(sources):
        for series in source.series:
            if series.case != name or series.placebo_of:
                continue
            if not re.search(question.pattern, series.name):
                continue
            cell = Cell(series)
            case.cells.append(cell)
            found = series.words or matcher.pair(series, i)
            if isinstance(found, str):
                cell.words = found
            elif found.baseline is not series:
                cell.baseline, cell.how = found.baseline, found.how
                pairs.append((cell, found))
    placebos = list(_placebo_pairs(sources, name, matcher, question.place))
    case.placebos = len(placebos)
    _judge_case(case, pairs, placebos, question, sources[0].seed)
    if question.place == "backend" and question.metric.tiers:
        for source in sources:
            _set_tiers(case, source, question.metric, sources[0].seed)
    return case


def _judge_case(
    case: Case,
    pairs: list[tuple[Cell, Pair]],
    placebos: list[Pair],
    question: Question,
    seed: int,
) -> None:
    asked = [pair for _, pair in pairs]
    main = _judge(asked, placebos, question, Choice.REPEATED, seed)
    case.noise = main.noise
    disturbed = any(s.dirty for s in _series_of([*asked, *placebos]))
    others = [
        _judge(asked, placebos, question, choice, seed).verdicts
        for choice in (Choice.ALL, Choice.CLEAN)
        if disturbed
    ]
    in_blocks = [pair.how is How.PAIRED for pair in asked]
    more = more_blocks(main.estimates, main.noise, paired=in_blocks)
    failing = _failing(main, question)
    found = main.estimates
    for i, (cell, _) in enumerate(pairs):
        if found.n[i] == 0:
            cell.words = "no block has both"
            continue
        cell.n, cell.p, cell.exact = int(found.n[i]), float(found.p[i]), bool(found.exact[i])
        cell.centre, cell.low, cell.high = (
            float(a[i]) for a in (found.centre, found.low, found.high)
        )
        cell.inner = (float(found.inner_low[i]), float(found.inner_high[i]))
        cell.verdict = main.verdicts[i]
        cell.more_blocks = more[i] if cell.verdict is Verdict.UNKNOWN else None
        cell.depends_on_dirty = any(other[i] is not cell.verdict for other in others)
        cell.fails = failing[i]


def _series_of(pairs: Iterable[Pair]) -> Iterator[Series]:
    for pair in pairs:
        yield from (pair.subject, pair.baseline, *(pair.references or ()))


def _failing(main: _Judged, question: Question) -> list[bool]:
    """Which comparisons meet the condition of --fail-if, whose size stands in for the margin."""
    if question.fail is None:
        return [False] * len(main.verdicts)
    verdict, size = question.fail
    return [found is verdict for found in judge(main.estimates, main.noise, size)]


def _set_tiers(case: Case, source: Source, metric: Metric, seed: int) -> None:
    """Backends that were measured in too few blocks to be told apart stay without a tier."""
    own = [c for c in case.cells if c.series in source.series and c.series.values and not c.words]
    judged = [cell for cell in own if cell.verdict is not None]
    least = least_blocks(len(judged))
    cells = [cell for cell in own if cell.verdict is None or cell.n >= least]
    if len(own) != len(judged) + 1 or len(cells) < 2:
        return
    how = How.PAIRED if source.paired else How.UNPAIRED

    def against(others: list[int], best: int) -> Estimates:
        pairs = [Pair(cells[i].series, cells[best].series, how) for i in others]
        return estimate(pairs, metric, Choice.REPEATED, seed)

    order = sorted(range(len(cells)), key=lambda i: cells[i].centre)
    numbers = tiers(order, against, case.noise)
    for i, cell in enumerate(cells):
        cell.tier = None if numbers is None else int(numbers[i])


def exit_code(comparison: Comparison) -> int:
    """For --fail-if: 4 if a result is wrong or a row crashed, 1 if the condition is met, 3 if too
    much is withheld or missing to tell, otherwise 0."""
    question = comparison.question
    every = [cell for case in comparison.cases for cell in case.cells]
    if question.place in RUN_PLACES:
        # What was wrong in the run that others are compared with is no fault of theirs.
        every = [c for c in every if c.series.places[question.place] != question.baseline]
    if any(cell.series.failed for cell in every):
        return 4
    if any(cell.fails for cell in every):
        return 1
    cases = [case for case in comparison.cases if case.judged]
    blind = [case for case in cases if _cannot_tell(case)]
    return 3 if blind or not cases else 0


def _cannot_tell(case: Case) -> bool:
    """A check of this case could not have failed."""
    least = min(least_p(cell.n, paired=cell.how is How.PAIRED) for cell in case.judged)
    return case.noise.unstable or least * len(case.judged) > ALPHA
