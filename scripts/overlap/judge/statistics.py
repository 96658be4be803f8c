"""Estimates, intervals and p-values of differences between backends.

Everything is done on natural logarithms of ratios, so that twice as slow and twice as fast are
equally far from no difference, and for all comparisons of a table at once: an array has one row a
comparison and one column a block, NaN where the block lacks one of the two samples.

Sources: J. L. Hodges and E. L. Lehmann, Estimates of location based on rank tests, 1963 (both
estimates); M. Hollander and D. A. Wolfe, Nonparametric statistical methods, 1973, sections 3.3 and
4.3 (the intervals that belong to them); S. Holm, A simple sequentially rejective multiple test
procedure, 1979; B. Efron, Better bootstrap confidence intervals, 1987 (BCa).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

ALPHA = 0.05
LEVELS = (0.95, 0.90)  # Of the interval that shows a difference, and of the one that shows none.
RESAMPLES = 9999
# Exact distributions of more than that take longer than a second. The normal one is then right in the
# third digit of an interval's end.
MOST_EXACT_BLOCKS = 1500
MOST_EXACT_PAIRS = 10_000
CHUNK_ELEMENTS = 2_000_000  # Bounds the memory that averages of pairs take, to some 16 MB a copy.


@dataclass(frozen=True)
class Estimates:
    """One entry a comparison. `centre` and the bounds of the intervals are logarithms of ratios:
    `low` to `high` holds the true one with 95% confidence, `inner_low` to `inner_high` with 90%.
    With too few observations for an interval its bounds are infinite; with none, all is NaN.
    `p` is the two-sided p-value of "no difference". If it is at most 0.05 the 95% interval leaves
    out 0; of rank tests, the other way round as well. `exact` says whether they come from the exact
    distribution or, of many observations, from the normal one in its place."""

    n: NDArray[np.int64]
    centre: Floats
    low: Floats
    high: Floats
    inner_low: Floats
    inner_high: Floats
    p: Floats
    exact: NDArray[np.bool_] | None = None  # All, if it is not given.

    def __post_init__(self) -> None:
        if self.exact is None:
            object.__setattr__(self, "exact", np.ones(len(self.n), np.bool_))

    @classmethod
    def none(cls, comparisons: int) -> "Estimates":
        """So many comparisons, none of which has been estimated."""
        unknown = [np.full(comparisons, np.nan) for _ in range(5)]
        return cls(np.zeros(comparisons, np.int64), *unknown, np.ones(comparisons))

    def __getitem__(self, which: object) -> "Estimates":
        return Estimates(*(getattr(self, field.name)[which] for field in fields(self)))

    def __len__(self) -> int:
        return len(self.n)

    def put(self, rows: NDArray[np.int64], values: "Estimates") -> None:
        for field in fields(self):
            getattr(self, field.name)[rows] = getattr(values, field.name)


@dataclass(frozen=True)
class RankDistribution:
    """Of the number of pairs on one side of the truth, which is symmetric: exactly, by a `table` of
    P(number <= i), or without one by the normal distribution with a continuity correction."""

    table: Floats | None
    mean: float = 0.0
    deviation: float = 1.0

    def at_most(self, numbers: NDArray[np.int64]) -> Floats:
        if self.table is not None:
            return self.table[numbers]
        return stats.norm.cdf((numbers + 0.5 - self.mean) / self.deviation)

    def rare(self, share: float) -> int:
        """How many of the smallest numbers are, together, as rare as `share` at most."""
        if self.table is not None:
            return int(np.searchsorted(self.table, share, side="right"))
        return max(0, math.floor(self.mean + stats.norm.ppf(share) * self.deviation + 0.5))


@lru_cache(maxsize=None)
def signed_rank(n: int) -> RankDistribution:
    """Of Wilcoxon's signed-rank statistic of `n` observations that are symmetric around 0: rank k
    counts with probability 1/2, whatever the others do."""
    if n > MOST_EXACT_BLOCKS:
        variance = n * (n + 1) * (2 * n + 1) / 24
        return RankDistribution(None, n * (n + 1) / 4, math.sqrt(variance))
    probabilities = np.zeros(n * (n + 1) // 2 + 1)
    probabilities[0] = 1.0
    for rank in range(1, n + 1):
        end = rank * (rank + 1) // 2 + 1
        shifted = probabilities[: end - rank] / 2
        probabilities[:end] /= 2
        probabilities[rank:end] += shifted
    return RankDistribution(np.cumsum(probabilities))


@lru_cache(maxsize=None)
def rank_sum(first: int, second: int) -> RankDistribution:
    """Of the Mann-Whitney statistic of two samples of these sizes from one distribution. H. B. Mann
    and D. R. Whitney's recurrence, 1947: the largest of all observations is one of the first
    sample, and so above all of the second, or one of the second."""
    if first * second > MOST_EXACT_PAIRS:
        variance = first * second * (first + second + 1) / 12
        return RankDistribution(None, first * second / 2, math.sqrt(variance))
    columns: list[Floats] = [np.ones(1)] * (second + 1)
    for i in range(1, first + 1):
        previous, columns = columns, [np.ones(1)]
        for j in range(1, second + 1):
            probabilities = np.zeros(i * j + 1)
            probabilities[j:] += previous[j] * (i / (i + j))
            probabilities[: i * (j - 1) + 1] += columns[j - 1] * (j / (i + j))
            columns.append(probabilities)
    return RankDistribution(np.cumsum(columns[second]))


def _inverted(
    smallest: Callable[[int], Floats],
    size: int,
    sides: tuple[NDArray[np.int64], NDArray[np.int64]],
    distribution: RankDistribution,
    n: int,
) -> Estimates:
    """The estimates that a rank test gives by inversion, from the averages (or differences) of all
    `size` pairs of observations: `smallest(i)` is the i-th of them from 0 on, `sides` how many are
    at most and at least 0, both with an entry a comparison.

    The intervals are closed: an average of exactly 0 counts against a difference on either side.
    Zeros are therefore kept, not dropped, and ties only ever make an interval wider than need be.
    """
    count = len(sides[0])
    bounds = []
    for level in LEVELS:
        # Averages outside the interval on either side: as many as are rare enough.
        outside = distribution.rare((1 - level) / 2)
        if outside:
            bounds += [smallest(outside - 1), smallest(size - outside)]
        else:
            bounds += [np.full(count, -np.inf), np.full(count, np.inf)]
    centre = (smallest((size - 1) // 2) + smallest(size // 2)) / 2
    p = np.minimum(1.0, 2 * distribution.at_most(np.minimum(*sides)))
    exact = np.full(count, distribution.table is not None)
    return Estimates(np.full(count, n), centre, *bounds, p, exact)


def _from_pairs(pairs: Floats, distribution: RankDistribution, n: int) -> Estimates:
    """Of comparisons whose pairs are a row each."""
    size = pairs.shape[1]
    middle = {(size - 1) // 2, size // 2}
    outside = {distribution.rare((1 - level) / 2) for level in LEVELS} - {0}
    ends = {place for number in outside for place in (number - 1, size - number)}
    pairs = np.partition(pairs, sorted(middle | ends), axis=1)
    sides = ((pairs <= 0).sum(axis=1), (pairs >= 0).sum(axis=1))
    return _inverted(lambda i: pairs[:, i], size, sides, distribution, n)


def _from_many_pairs(
    at_most: Callable[[float], int],
    at_least_0: int,
    ends: tuple[float, float],
    size: int,
    distribution: RankDistribution,
    n: int,
) -> Estimates:
    """Of one comparison with more pairs than memory should hold: `at_most` counts those that do not
    exceed a number, all lie within `ends`, and bisection finds the i-th smallest."""

    def smallest(i: int) -> Floats:
        low, high = ends
        while low < (middle := low + (high - low) / 2) < high:
            low, high = (low, middle) if at_most(middle) > i else (middle, high)
        return np.array([low if at_most(low) > i else high])

    sides = (np.array([at_most(0.0)]), np.array([at_least_0]))
    return _inverted(smallest, size, sides, distribution, n)


def _compact(values: Floats, rows: NDArray[np.int64], count: int) -> Floats:
    """The `count` known values of each of these rows; their order means nothing to rank tests, and
    sorting moves NaN to the end."""
    return np.sort(values[rows], axis=1)[:, :count]


def _groups(counts: NDArray[np.int64], size_of: Sequence[int]) -> Iterator[NDArray[np.int64]]:
    """Rows with equal counts together, in groups that fit into CHUNK_ELEMENTS; `size_of` says how
    many elements one row takes."""
    for key in np.unique(counts, axis=0):
        rows = np.flatnonzero((counts == key).reshape(len(counts), -1).all(axis=1))
        step = max(1, CHUNK_ELEMENTS // max(1, size_of[rows[0]]))
        for start in range(0, len(rows), step):
            yield rows[start : start + step]


def paired(ratios: Floats) -> Estimates:
    """From logarithms of ratios within blocks: the Hodges-Lehmann pseudo-median, the median of the
    averages of all pairs of observations (each with itself, too), with the exact intervals and
    p-value of the signed-rank test. It assumes that the blocks are independent and their ratios
    symmetric around the true one."""
    ratios = np.atleast_2d(np.asarray(ratios, dtype=np.float64))
    counts = np.count_nonzero(~np.isnan(ratios), axis=1)
    result = Estimates.none(len(ratios))
    for rows in _groups(counts, counts * (counts + 1) // 2):
        n = int(counts[rows[0]])
        if n == 0:
            continue
        values = _compact(ratios, rows, n)
        if n * (n + 1) // 2 > CHUNK_ELEMENTS:
            result.put(rows, _paired_of_many(values[0]))
            continue
        i, j = np.triu_indices(n)
        averages = (values[:, i] + values[:, j]) / 2
        result.put(rows, _from_pairs(averages, signed_rank(n), n))
    return result


def _paired_of_many(x: Floats) -> Estimates:
    """`x` is sorted."""
    n = len(x)

    def at_most(limit: float) -> int:
        ordered = np.searchsorted(x, 2 * limit - x, side="right").sum()
        return int(ordered + np.count_nonzero(x <= limit)) // 2

    at_least_0 = (
        int((n - np.searchsorted(x, -x, side="left")).sum() + np.count_nonzero(x >= 0)) // 2
    )
    ends = (float(x[0]), float(x[-1]))
    return _from_many_pairs(at_most, at_least_0, ends, n * (n + 1) // 2, signed_rank(n), n)


def unpaired(first: Floats, second: Floats) -> Estimates:
    """By how much the logarithms in `second` are above those in `first`, where nothing pairs the
    columns: the median of all differences, with the exact intervals and p-value of the rank-sum
    test. `n` is the size of the smaller sample."""
    first, second = (np.atleast_2d(np.asarray(a, dtype=np.float64)) for a in (first, second))
    counts = np.stack([np.count_nonzero(~np.isnan(a), axis=1) for a in (first, second)], axis=1)
    result = Estimates.none(len(first))
    for rows in _groups(counts, counts.prod(axis=1)):
        n_first, n_second = map(int, counts[rows[0]])
        if n_first == 0 or n_second == 0:
            continue
        a, b = _compact(first, rows, n_first), _compact(second, rows, n_second)
        if n_first * n_second > CHUNK_ELEMENTS:
            result.put(rows, _unpaired_of_many(a[0], b[0]))
            continue
        differences = (b[:, :, None] - a[:, None, :]).reshape(len(rows), -1)
        distribution = rank_sum(n_first, n_second)
        result.put(rows, _from_pairs(differences, distribution, min(n_first, n_second)))
    return result


def _unpaired_of_many(a: Floats, b: Floats) -> Estimates:
    """Both are sorted."""

    def at_most(limit: float) -> int:
        return int(np.searchsorted(b, a + limit, side="right").sum())

    at_least_0 = int((len(b) - np.searchsorted(b, a, side="left")).sum())
    ends = (float(b[0] - a[-1]), float(b[-1] - a[0]))
    distribution = rank_sum(len(a), len(b))
    return _from_many_pairs(
        at_most, at_least_0, ends, len(a) * len(b), distribution, min(len(a), len(b))
    )


def bootstrapped(ratios: Floats, seed: int) -> Estimates:
    """From logarithms of ratios within blocks: their median, with BCa intervals from resampled
    blocks. For figures of which no symmetry can be assumed: high percentiles, concurrency,
    parallelism. (The median rather than the mean: its intervals keep their confidence even with few
    blocks, those of the mean do not.) Fewer than six blocks give no interval.

    The p-value is that of the exact sign test, or the interval's own if that is larger. Resampling
    knows too little of the far tails that Holm asks for: by it alone, one of twelve equal backends
    would be told apart in 12% of runs of 12 blocks, and in 35% of runs of 9."""
    ratios = np.atleast_2d(np.asarray(ratios, dtype=np.float64))
    counts = np.count_nonzero(~np.isnan(ratios), axis=1)
    result = Estimates.none(len(ratios))
    for rows in _groups(counts, np.full(len(counts), RESAMPLES)):
        n = int(counts[rows[0]])
        if n:
            result.put(rows, _bootstrapped_alike(_compact(ratios, rows, n), seed))
    return result


def _bootstrapped_alike(values: Floats, seed: int) -> Estimates:
    """`bootstrapped` for comparisons that all have the same number of blocks, none missing."""
    m, n = values.shape
    centre = np.median(values, axis=1)
    if n < least_blocks(1):
        wide = np.full(m, np.inf)
        return Estimates(np.full(m, n), centre, -wide, wide, -wide, wide, np.ones(m))
    # Without any spread there is nothing to resample: the interval is the point.
    point = [centre.copy() for _ in range(4)]
    result = Estimates(np.full(m, n), centre, *point, sign_test(values))
    varied = np.flatnonzero(np.ptp(values, axis=1) > 1e-12)
    if len(varied):
        result.put(varied, _bca(values[varied], seed))
    return result


@lru_cache(maxsize=None)
def _middle_places(n: int, resamples: int, seed: int) -> tuple[NDArray[np.int64], ...]:
    """For each resample of `n` blocks the places, in the sorted values, of the one or two whose mean
    is its median. Sorting is done once for all comparisons: what sorts the places that were drawn
    sorts the values at them."""
    drawn = np.random.default_rng(seed).integers(0, n, (resamples, n))
    drawn.sort(axis=1)
    return drawn[:, (n - 1) // 2].copy(), drawn[:, n // 2].copy()


def _bca(values: Floats, seed: int) -> Estimates:
    """`values` are sorted along their rows."""
    centre = np.median(values, axis=1)
    lower, upper = _middle_places(values.shape[1], RESAMPLES, seed)
    drawn = (values[:, lower] + values[:, upper]) / 2
    drawn = np.sort(drawn, axis=1)
    bias = stats.norm.ppf(_share_below(drawn, centre))
    acceleration = _acceleration(values)
    bounds = []
    for level in LEVELS:
        for end in ((1 - level) / 2, (1 + level) / 2):
            z = bias + stats.norm.ppf(end)
            share = stats.norm.cdf(bias + z / (1 - acceleration * z))
            bounds.append(_quantiles(drawn, share))
    p = np.maximum(_bca_p_value(drawn, bias, acceleration), sign_test(values))
    return Estimates(np.full(len(values), values.shape[1]), centre, *bounds, p)


def sign_test(values: Floats) -> Floats:
    """Of each row the exact p-value of a median of 0. Zeros count against it on either side."""
    n = values.shape[1]
    fewer = np.minimum((values <= 0).sum(axis=1), (values >= 0).sum(axis=1))
    return np.minimum(1.0, 2 * stats.binom.cdf(fewer, n, 0.5))


def _acceleration(values: Floats) -> Floats:
    """The jackknife's estimate, from what leaving out each block does to the median; 0 where no
    single block does anything, as with many equal values (scipy's own BCa gives up there)."""
    n = values.shape[1]
    others = np.array([np.median(np.delete(values, i, axis=1), axis=1) for i in range(n)])
    away = others.mean(axis=0) - others
    squares = (away**2).sum(axis=0)
    return (away**3).sum(axis=0) / (6 * np.where(squares > 0, squares, 1.0) ** 1.5)


def _quantiles(drawn: Floats, share: Floats) -> Floats:
    """Of each sorted row the quantile for its own share, interpolated as numpy does by default."""
    place = share * (drawn.shape[1] - 1)
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, drawn.shape[1] - 1)
    rows = np.arange(len(drawn))
    return drawn[rows, below] + (place - below) * (drawn[rows, above] - drawn[rows, below])


def _bca_p_value(drawn: Floats, bias: Floats, acceleration: Floats) -> Floats:
    """The level at which the end of the BCa interval would reach 0: Efron's map from levels to
    quantiles of the resampled medians, solved for the level. Never below what so many resamples can
    tell."""
    with np.errstate(invalid="ignore"):
        shifted = stats.norm.ppf(_share_below(drawn, np.zeros(len(drawn)))) - bias
        z = shifted / (1 + acceleration * shifted) - bias
    # Infinite: 0 lies beyond all resampled medians.
    z = np.where(np.isfinite(z), z, np.inf)
    return np.clip(2 * stats.norm.sf(np.abs(z)), 2 / (drawn.shape[1] + 1), 1.0)


def _share_below(drawn: Floats, value: Floats) -> Floats:
    """Values that are equal count half."""
    value = value[:, None]
    return ((drawn < value).mean(axis=1) + (drawn <= value).mean(axis=1)) / 2


def holm(p: Floats) -> Floats:
    """P-values that may be compared with 0.05 although so many questions were asked at once: with
    Holm's step-down the chance of even one false answer among them stays below that."""
    p = np.asarray(p, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def least_blocks(comparisons: int, *, paired: bool = True) -> int:
    """The fewest blocks, or repetitions on either side, with which a rank test can find any
    difference at all, after Holm over so many comparisons: even if all of them agree."""
    n = 1
    while least_p(n, paired=paired) * max(1, comparisons) > ALPHA:
        n += 1
    return n


def least_p(n: int, *, paired: bool) -> float:
    """The smallest p-value that a rank test of so many observations, or of so many on either side,
    can give: if all agree."""
    return min(1.0, 2 / (2 ** n if paired else math.comb(2 * n, n)))
