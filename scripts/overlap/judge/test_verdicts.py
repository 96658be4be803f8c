import math

import numpy as np
import pytest

from overlap.judge.statistics import Estimates, least_blocks, paired, unpaired
from overlap.judge.verdicts import MARGIN, Noise, Verdict, judge, more_blocks, noise_of, tiers


def estimate(ratio, low, high, inner=None, n=30, p=None):
    """One comparison, given as people read them: ratios."""
    inner = inner or (low, high)
    bounds = [np.array([math.log(value)]) for value in (ratio, low, high, *inner)]
    p = (0.001 if low > 1 or high < 1 else 0.5) if p is None else p
    return Estimates(np.array([n]), *bounds, np.array([p]))


def placebo_within(ratio):
    return Noise(floor=math.log(ratio))


@pytest.mark.parametrize(
    ("found", "noise", "expected"),
    [
        (estimate(1.10, 1.08, 1.12), Noise(), Verdict.MORE),
        (estimate(0.90, 0.88, 0.92), Noise(), Verdict.LESS),
        (estimate(1.00, 0.98, 1.02), Noise(), Verdict.SAME),
        (estimate(1.02, 1.01, 1.03), Noise(), Verdict.DIFFERS),
        (estimate(1.04, 1.01, 1.07), Noise(), Verdict.DIFFERS),
        (estimate(1.02, 0.95, 1.08), Noise(), Verdict.UNKNOWN),
        (estimate(1.30, 0.90, 1.70), Noise(), Verdict.UNKNOWN),
        # The 90% interval decides on the same, though the 95% interval leaves the margin.
        (estimate(1.01, 0.96, 1.06, inner=(0.97, 1.04)), Noise(), Verdict.SAME),
        (estimate(1.01, 0.96, 1.06, inner=(0.97, 1.051)), Noise(), Verdict.UNKNOWN),
        # A placebo that differs from itself by up to 12% hides a difference, one by 1% does not; and
        # what it hides is unknown: the same is only what no noise could make different.
        (estimate(1.10, 1.08, 1.12), placebo_within(1.121), Verdict.UNKNOWN),
        (estimate(1.00, 0.93, 1.07), placebo_within(1.121), Verdict.UNKNOWN),
        (estimate(1.10, 1.08, 1.12), placebo_within(1.01), Verdict.MORE),
        # No difference is claimed that the machine shows between equal backends.
        (estimate(1.02, 1.01, 1.03), placebo_within(1.03), Verdict.SAME),
        (estimate(1.30, 1.25, 1.35), Noise(unstable=True), Verdict.WITHHELD),
        # After Holm, the p-value counts and not the single interval.
        (estimate(1.30, 1.01, 1.50, p=0.06), Noise(), Verdict.UNKNOWN),
        # Too few blocks for any interval.
        (estimate(1.30, 1e-9, 1e9, n=3, p=0.25), Noise(), Verdict.UNKNOWN),
    ],
)
def test_verdicts(found, noise, expected):
    assert judge(found, noise) == [expected]


def test_a_comparison_beside_many_others_needs_more_evidence():
    generator = np.random.default_rng(1)
    data = np.vstack([[math.log(1.2)] * 6, generator.normal(0, 0.001, (19, 6))])
    assert judge(paired(data[:1]), Noise()) == [Verdict.MORE]
    assert judge(paired(data), Noise())[0] is Verdict.UNKNOWN


def test_no_comparison_has_no_verdict():
    assert judge(Estimates.none(0), Noise()) == [] and more_blocks(Estimates.none(0), Noise()) == []
    assert judge(Estimates.none(1), Noise()) == [Verdict.UNKNOWN]


# The placebo.


def test_the_noise_floor_is_the_far_end_of_the_placebos_interval():
    noise = noise_of(estimate(1.005, 0.98, 1.03), 12)
    assert math.exp(noise.floor) == pytest.approx(1.03) and not noise.unstable
    assert noise.margin() == MARGIN
    noise = noise_of(estimate(1.00, 0.92, 1.06), 12)
    assert math.exp(noise.margin()) == pytest.approx(1 / 0.92)


def test_a_placebo_that_would_be_called_slower_withholds_the_verdicts():
    assert noise_of(estimate(1.06, 1.03, 1.09), 1).unstable
    assert noise_of(estimate(0.94, 0.91, 0.97), 1).unstable
    # A difference that would not matter between backends does not matter here either.
    assert not noise_of(estimate(1.02, 1.01, 1.03), 1).unstable
    assert not noise_of(estimate(1.20, 0.90, 1.50), 1).unstable


def test_too_few_blocks_leave_the_noise_floor_unknown():
    generator = np.random.default_rng(1)
    noise = noise_of(paired(generator.normal(0, 0.01, 3)), 12)
    assert (noise.floor, noise.visible, noise.unstable) == (None, None, False)
    # Six blocks give an interval, but cannot tell twelve backends apart.
    noise = noise_of(paired(generator.normal(0, 0.01, 6)), 12)
    assert noise.floor > 0 and noise.visible is None


@pytest.mark.parametrize("comparisons", [1, 12])
def test_the_smallest_visible_difference_is_found_in_four_of_five_runs(comparisons):
    generator = np.random.default_rng(2)
    runs, blocks, spread = 400, 30, 0.05
    placebos = paired(generator.normal(0, spread, (runs, blocks)))
    visible = np.median([noise_of(placebos[[i]], comparisons).visible for i in range(runs)])
    p = paired(generator.normal(visible, spread, (runs, blocks))).p
    # The strictest step of Holm; its other steps see somewhat more.
    assert 0.7 <= np.mean(p <= 0.05 / comparisons) <= 0.9


# How much is missing.


@pytest.mark.parametrize(("truth", "blocks"), [(1.07, 10), (1.0, 10), (1.03, 20), (1.15, 8)])
def test_about_so_many_more_blocks_would_decide(truth, blocks):
    generator = np.random.default_rng(3)
    decided = tried = 0
    for _ in range(300):
        data = generator.normal(math.log(truth), 0.1, (1, 1200))
        found = paired(data[:, :blocks])
        if judge(found, Noise()) == [Verdict.UNKNOWN]:
            more = more_blocks(found, Noise())[0]
            if more and blocks + more <= 1200:
                tried += 1
                after = judge(paired(data[:, : blocks + more]), Noise())
                decided += after != [Verdict.UNKNOWN]
    # The estimate moves meanwhile, so that no better than "about" can be promised.
    assert tried > 30 and decided > tried / 3


def test_missing_blocks_come_first_and_hopeless_cases_are_named():
    assert more_blocks(paired(np.full((1, 3), 0.5)), Noise()) == [3]
    # An estimate at the very margin is decided by showing the difference, after Holm.
    assert more_blocks(estimate(1.0001, 0.5, 2.0), Noise()) == [None]
    assert more_blocks(estimate(1.2, 0.95, 1.5, n=30), Noise()) == [20]


def test_repetitions_without_blocks_decide_earlier():
    # Four a side that do not overlap: 2 / 70. Three: 2 / 20.
    three, four = (unpaired(np.zeros((1, n)), np.ones((1, n))) for n in (3, 4))
    assert more_blocks(three, Noise(), paired=[False]) == [1]
    assert judge(four, Noise()) == [Verdict.MORE]
    assert least_blocks(1, paired=False) == 4 and least_blocks(1) == 6


# Tiers.


def tiers_of(levels, spread=0.02, blocks=30, noise=Noise(), seed=4):
    generator = np.random.default_rng(seed)
    times = np.log(levels)[:, None] + generator.normal(0, spread, (len(levels), blocks))
    order = np.argsort(np.median(times, axis=1)).tolist()
    found = tiers(order, lambda others, best: paired(times[others] - times[best]), noise)
    return None if found is None else found.tolist()


def test_backends_that_are_not_told_apart_share_a_tier():
    assert tiers_of([1.0, 2.0, 1.01, 2.02, 5.0]) == [1, 2, 1, 2, 3]
    assert tiers_of([3.0, 1.0]) == [2, 1] and tiers_of([1.0]) == [1]
    assert tiers_of([1.0, 1.0, 1.0]) == [1, 1, 1]


def test_no_tiers_where_nothing_is_decided():
    assert tiers_of([1.0, 2.0], blocks=3) is None
    assert tiers_of([1.0, 2.0, 3.0, 4.0], blocks=6) is None  # Seven, with Holm over three.
    assert tiers_of([1.0, 1.02, 1.04], spread=0.5, blocks=12) is None
    assert tiers_of([1.0, 2.0], noise=Noise(unstable=True)) is None


def test_differences_below_the_noise_floor_make_no_tier():
    assert tiers_of([1.0, 1.1], spread=0.01) == [1, 2]
    assert tiers_of([1.0, 1.1], spread=0.01, noise=placebo_within(1.2)) is None


# Known truth.


def test_a_slow_down_of_a_tenth_is_found_and_its_size_is_inside_the_interval():
    generator = np.random.default_rng(5)
    truth, blocks, runs = math.log(1.1), 30, 500
    base = generator.normal(0, 0.03, (runs, blocks))
    drift = np.cumsum(generator.normal(0, 0.05, (runs, blocks)), axis=1)  # The machine's own.
    reference, placebo, slowed, equal = (
        generator.normal(shift, 0.03, (runs, blocks)) + base + drift for shift in (0, 0, truth, 0)
    )
    found, wrong, inside = 0, 0, 0
    for i in range(runs):
        noise = noise_of(paired(placebo[i] - reference[i]), 2)
        pair = paired(np.vstack([slowed[i], equal[i]]) - reference[i])
        verdicts = judge(pair, noise)
        found += verdicts[0] is Verdict.MORE
        wrong += verdicts[1] in (Verdict.MORE, Verdict.LESS)
        inside += pair.low[0] <= truth <= pair.high[0]
    assert found >= 0.95 * runs and wrong <= 0.05 * runs and inside >= 0.93 * runs


def test_a_slow_down_is_found_between_runs_through_their_reference():
    generator = np.random.default_rng(6)
    before, after = generator.normal(0, 0.03, (2, 200, 30))
    found = unpaired(before, after + math.log(1.1))
    verdicts = [judge(found[[i]], Noise())[0] for i in range(200)]
    assert verdicts.count(Verdict.MORE) >= 190
    assert np.mean((found.low <= math.log(1.1)) & (math.log(1.1) <= found.high)) >= 0.9
