import math
import warnings
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays
from scipy import stats

from overlap.judge import statistics
from overlap.judge.metrics import ENDLESS, log_ratio
from overlap.judge.statistics import (
    bootstrapped,
    holm,
    least_blocks,
    paired,
    rank_sum,
    sign_test,
    signed_rank,
    unpaired,
)

# Darwin's maize, heights of crossed less self-fertilised plants in eighths of an inch: 15 pairs.
MAIZE = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48], float)

ratios = some.integers(1, 14).flatmap(
    lambda n: arrays(np.float64, (n,), elements=some.floats(-3, 3, allow_nan=False, width=32))
)


def covered(estimates, truth):
    return float(np.mean((estimates.low <= truth) & (truth <= estimates.high)))


def fields(estimates):
    return [estimates.centre, estimates.low, estimates.high, estimates.inner_low]


# Exact distributions.


@pytest.mark.parametrize("n", range(1, 11))
def test_the_signed_rank_distribution_counts_all_signs(n):
    sums = [
        sum(r for r, s in zip(range(1, n + 1), signs) if s) for signs in product((0, 1), repeat=n)
    ]
    expected = np.cumsum(np.bincount(sums)) / 2**n
    np.testing.assert_allclose(signed_rank(n).table, expected, rtol=1e-12)


@pytest.mark.parametrize(("a", "b"), [(1, 1), (1, 4), (3, 3), (4, 2), (5, 4)])
def test_the_rank_sum_distribution_counts_all_orders(a, b):
    counts = [
        sum(place - index for index, place in enumerate(places))
        for places in combinations(range(a + b), a)
    ]
    expected = np.cumsum(np.bincount(counts)) / math.comb(a + b, a)
    np.testing.assert_allclose(rank_sum(a, b).table, expected, rtol=1e-12)


# Against scipy and against values from elsewhere.


def test_darwins_maize():
    # R: wilcox.test(x, conf.int = TRUE, exact = TRUE) is the textbook's; here from the definition,
    # with the critical value 25 of the tables for n = 15 and 5%.
    averages = sorted((MAIZE[i] + MAIZE[j]) / 2 for i in range(15) for j in range(i, 15))
    found = paired(MAIZE)
    assert found.centre[0] == np.median(averages)
    assert (found.low[0], found.high[0]) == (averages[25], averages[-26])
    assert found.p[0] == pytest.approx(stats.wilcoxon(MAIZE, mode="exact").pvalue)


@pytest.mark.parametrize("n", [5, 8, 12, 25, 50])
def test_p_values_are_those_of_scipy(n):
    generator = np.random.default_rng(n)
    x, y = generator.normal(0.3, 1, (2, 20, n))
    expected = [stats.wilcoxon(row, mode="exact").pvalue for row in x]
    np.testing.assert_allclose(paired(x).p, expected, rtol=1e-9)
    expected = [stats.mannwhitneyu(a, b[:-2], method="exact").pvalue for a, b in zip(x, y)]
    np.testing.assert_allclose(unpaired(x, y[:, :-2]).p, expected, rtol=1e-9)


def test_six_observations_of_one_sign_are_the_fewest_that_tell_anything():
    assert paired(np.arange(1.0, 6.0)).p[0] == 2 / 2**5 and paired(np.ones(5)).low[0] == -np.inf
    six = paired(np.arange(1.0, 7.0))
    assert (six.p[0], six.low[0], six.high[0], six.centre[0]) == (2 / 2**6, 1.0, 6.0, 3.5)
    five = paired(np.arange(1.0, 6.0))
    assert (five.inner_low[0], five.inner_high[0]) == (1.0, 5.0)


def test_the_corrected_bootstrap_is_scipys():
    # In order, so that the same seed draws the same blocks.
    x = np.sort(np.random.default_rng(3).exponential(size=(4, 20)), axis=1)
    found = bootstrapped(x, seed=1)
    for level, low, high in (
        (0.95, found.low, found.high),
        (0.9, found.inner_low, found.inner_high),
    ):
        expected = stats.bootstrap(
            (x,),
            np.median,
            axis=1,
            n_resamples=statistics.RESAMPLES,
            confidence_level=level,
            method="BCa",
            random_state=np.random.default_rng(1),
        ).confidence_interval
        np.testing.assert_allclose(low, expected.low, atol=1e-9)
        np.testing.assert_allclose(high, expected.high, atol=1e-9)


def test_the_seed_gives_the_bootstrap_again():
    x = np.random.default_rng(3).normal(0.2, 1, (200, 12))
    first, again, other = (np.array(fields(bootstrapped(x, seed))) for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_the_sign_test_is_scipys():
    x = np.random.default_rng(4).normal(0.3, 1, (20, 13))
    expected = [stats.binomtest(int((row > 0).sum()), 13).pvalue for row in x]
    np.testing.assert_allclose(sign_test(x), expected, rtol=1e-12)
    assert sign_test(np.array([[0.0] * 2 + [1.0] * 10]))[0] == stats.binomtest(2, 12).pvalue


def test_holm_by_hand():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.6, 0.7])).tolist() == [1.0, 1.0] and holm(np.array([])).size == 0


def test_the_fewest_blocks_by_hand():
    assert [least_blocks(m) for m in (0, 1, 2, 12, 20, 285)] == [6, 6, 7, 9, 10, 14]
    for m in (1, 12, 285):
        agreeing = paired(np.full((m, least_blocks(m)), 0.1)).p
        assert (
            holm(agreeing).max()
            <= 0.05
            < holm(paired(np.full((m, least_blocks(m) - 1), 0.1)).p).max()
        )


# Missing, equal and extreme values.


def test_no_observation_is_no_estimate():
    for found in (
        paired([[np.nan] * 3]),
        bootstrapped([[np.nan] * 3], 0),
        unpaired([[np.nan]], [[1]]),
    ):
        assert found.n[0] == 0 and np.isnan(found.centre[0]) and found.p[0] == 1
    assert len(paired(np.empty((0, 5)))) == 0


def test_missing_blocks_are_left_out_of_their_comparison_only():
    x = np.random.default_rng(0).normal(size=(3, 20))
    holes = x.copy()
    holes[1, [0, 7, 19]] = np.nan
    for estimate in (paired, lambda values: bootstrapped(values, 1)):
        found, whole = estimate(holes), estimate(x)
        alone = estimate(np.delete(x[1], [0, 7, 19]))
        assert found.n.tolist() == [20, 17, 20]
        for mixed, full, single in zip(fields(found), fields(whole), fields(alone)):
            assert (mixed[0], mixed[2]) == (full[0], full[2]) and mixed[1] == single[0]


def test_zeros_count_against_a_difference():
    assert paired(np.zeros(20)).p[0] == 1
    # Ten of twelve say more and two say nothing: less certain than twelve of twelve.
    some_zero = paired(np.r_[np.zeros(2), np.ones(10)])
    assert 2 / 2**12 < some_zero.p[0] <= 0.05 and some_zero.low[0] > 0


def test_equal_values_have_an_interval_of_one_point_and_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for values in ([0.5] * 12, [0.0] * 12, [0.5] * 11 + [0.7], [0.0] * 6 + [1.0] * 6):
            found = bootstrapped(np.array(values), seed=1)
            assert found.low[0] <= found.centre[0] <= found.high[0]
            assert np.isfinite([found.low[0], found.high[0], found.p[0]]).all()
    assert bootstrapped(np.zeros(12), 1).p[0] == 1 > 0.05 > bootstrapped(np.full(12, 0.5), 1).p[0]


@pytest.mark.parametrize("chunk", [1, 200, 10**9])
def test_the_size_of_chunks_changes_nothing(monkeypatch, chunk):
    x = np.random.default_rng(0).normal(size=(7, 12))
    expected = paired(x), unpaired(x, x + 0.1), bootstrapped(x, 5)
    monkeypatch.setattr(statistics, "CHUNK_ELEMENTS", chunk)
    for before, after in zip(expected, (paired(x), unpaired(x, x + 0.1), bootstrapped(x, 5))):
        for a, b in zip(fields(before), fields(after)):
            # With a chunk of 1 they are found by bisection, to the last bit but one.
            np.testing.assert_allclose(a, b, rtol=1e-12)


def test_of_many_observations_the_normal_distribution_is_close_and_says_so(monkeypatch):
    x, y = np.random.default_rng(0).normal(size=(2, 100))
    exact = paired(x), unpaired(x, y)
    monkeypatch.setattr(statistics, "MOST_EXACT_BLOCKS", 99)
    monkeypatch.setattr(statistics, "MOST_EXACT_PAIRS", 9_999)
    for distribution in (statistics.signed_rank, statistics.rank_sum):
        monkeypatch.setattr(statistics, distribution.__name__, distribution.__wrapped__)
    for before, after in zip(exact, (paired(x), unpaired(x, y))):
        assert before.exact[0] and not after.exact[0]
        np.testing.assert_allclose(fields(before), fields(after), atol=3e-3)
        np.testing.assert_allclose(before.p, after.p, atol=3e-3)


# What must hold whatever the numbers are.


@given(ratios)
def test_the_interval_and_the_p_value_say_the_same(x):
    for found in (paired(x), unpaired(np.zeros(12), x)):
        assert (found.p[0] <= 0.05) == (found.low[0] > 0 or found.high[0] < 0)
        assert found.low[0] <= found.inner_low[0] <= found.centre[0]
        assert found.centre[0] <= found.inner_high[0] <= found.high[0]


@given(ratios)
def test_a_small_p_value_of_the_bootstrap_means_an_interval_without_0(x):
    found = bootstrapped(x, seed=1)
    if found.p[0] <= 0.05:
        assert found.low[0] >= 0 or found.high[0] <= 0


@given(ratios)
def test_turning_a_ratio_round_turns_its_estimate_round(x):
    found, turned = paired(x), paired(-x)
    assert (turned.centre[0], turned.low[0], turned.p[0]) == (
        -found.centre[0],
        -found.high[0],
        found.p[0],
    )


@given(ratios, some.floats(-2, 2))
def test_a_factor_moves_the_estimate_by_itself(x, factor):
    for moved, found in zip(fields(paired(x + factor)), fields(paired(x))):
        np.testing.assert_allclose(moved, found + factor, atol=1e-9)


@given(ratios, some.randoms(use_true_random=False))
def test_the_order_of_blocks_means_nothing(x, random):
    shuffled = list(x)
    random.shuffle(shuffled)
    assert fields(paired(x)) == fields(paired(np.array(shuffled)))


@given(some.lists(some.floats(0, 1), min_size=1, max_size=30))
def test_holm_never_makes_a_p_value_smaller_and_keeps_their_order(p):
    p = np.array(p)
    adjusted = holm(p)
    assert (adjusted >= p).all() and (adjusted <= np.minimum(1, p * len(p) + 1e-12)).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()


# Known truth: 2,000 simulated runs.

RUNS = 2000
TRUTH = math.log(1.1)
NOISES = {
    "normal": lambda generator, size: generator.normal(0, 0.05, size),
    "heavy tails": lambda generator, size: 0.05 * generator.standard_t(3, size),
    "two modes": lambda generator, size: generator.choice([-0.05, 0.05], size)
    + generator.normal(0, 0.01, size),
}


@pytest.mark.parametrize("blocks", [12, 30, 60])
@pytest.mark.parametrize("noise", NOISES)
def test_intervals_hold_the_truth_as_often_as_they_say(blocks, noise):
    generator = np.random.default_rng(20)
    found = paired(TRUTH + NOISES[noise](generator, (RUNS, blocks)))
    assert 0.93 <= covered(found, TRUTH) <= 0.97
    inner = np.mean((found.inner_low <= TRUTH) & (TRUTH <= found.inner_high))
    assert 0.88 <= inner <= 0.92


def test_unpaired_intervals_hold_the_truth_as_often_as_they_say():
    generator = np.random.default_rng(21)
    first, second = generator.normal(0, 0.05, (2, RUNS, 30))
    assert 0.93 <= covered(unpaired(first, second + TRUTH), TRUTH) <= 0.97


@pytest.mark.parametrize("blocks", [30, 60])
def test_bootstrap_intervals_of_skewed_figures_hold_the_truth(blocks, monkeypatch):
    monkeypatch.setattr(statistics, "RESAMPLES", 999)
    found = bootstrapped(np.random.default_rng(22).exponential(1, (RUNS, blocks)), seed=1)
    assert 0.93 <= covered(found, math.log(2)) <= 0.97


def at_most(share, runs):
    """What a share of so many runs stays below, but for one time in 700: three standard errors."""
    return share + 3 * math.sqrt(share * (1 - share) / runs)


def test_equal_backends_are_told_apart_in_one_of_twenty_runs_at_most():
    generator = np.random.default_rng(23)
    for blocks in (12, 30):
        p = paired(generator.normal(0, 0.05, (RUNS, blocks))).p
        assert np.mean(p <= 0.05) <= at_most(0.05, RUNS)


@pytest.mark.parametrize("blocks", [9, 12, 30])
@pytest.mark.parametrize("estimate", [paired, lambda ratios: bootstrapped(ratios, seed=1)])
def test_among_twelve_equal_backends_hardly_ever_even_one_is_told_apart(
    blocks, estimate, monkeypatch
):
    monkeypatch.setattr(statistics, "RESAMPLES", 999)
    generator = np.random.default_rng(24)
    p = estimate(generator.normal(0, 0.05, (RUNS * 12, blocks))).p.reshape(RUNS, 12)
    assert np.mean([holm(row).min() <= 0.05 for row in p]) <= at_most(0.05, RUNS)


def test_numbers_whose_quotient_is_beyond_floating_point_are_endlessly_far_apart():
    assert log_ratio(1e300, 5e-324) == ENDLESS and log_ratio(5e-324, 1e300) == -ENDLESS
    assert log_ratio(5e-324, 5e-324) == 0.0
